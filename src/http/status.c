/* Reason phrases: nothing depends on them, people read them. */
#include "http/http.h"

/* clang-format off */
#define STATUSES(S) \
    S(100, "Continue") S(101, "Switching Protocols") S(200, "OK") S(201, "Created") \
    S(202, "Accepted") S(204, "No Content") S(206, "Partial Content") \
    S(301, "Moved Permanently") S(302, "Found") S(303, "See Other") S(304, "Not Modified") \
    S(307, "Temporary Redirect") S(308, "Permanent Redirect") \
    S(400, "Bad Request") S(401, "Unauthorized") S(402, "Payment Required") S(403, "Forbidden") \
    S(404, "Not Found") S(405, "Method Not Allowed") S(406, "Not Acceptable") \
    S(408, "Request Timeout") S(409, "Conflict") S(410, "Gone") S(411, "Length Required") \
    S(412, "Precondition Failed") S(413, "Content Too Large") S(414, "URI Too Long") \
    S(415, "Unsupported Media Type") S(416, "Range Not Satisfiable") \
    S(417, "Expectation Failed") S(422, "Unprocessable Content") S(424, "Failed Dependency") \
    S(426, "Upgrade Required") S(428, "Precondition Required") S(429, "Too Many Requests") \
    S(431, "Request Header Fields Too Large") S(500, "Internal Server Error") \
    S(501, "Not Implemented") S(502, "Bad Gateway") S(503, "Service Unavailable") \
    S(504, "Gateway Timeout") S(505, "HTTP Version Not Supported") S(507, "Insufficient Storage")
/* clang-format on */

const char *
http_status_text(int status)
{
    switch (status) {
#define S(code, text)                                                                              \
    case code:                                                                                     \
        return text;
        STATUSES(S)
#undef S
    }
    return "Status"; /* never empty: some clients insist on a phrase */
}
