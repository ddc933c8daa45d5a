/* libcurl underneath. Surprises worth keeping in mind:
 * - http_proxy in the environment must not catch calls to loopback: no proxy is used for those.
 * - curl adds "Expect: 100-continue" to large bodies, which costs a second with servers that do not
 *   know it: it is taken out. */
#include <curl/curl.h>
#include <strings.h>
#include <time.h>

#include "cli/client.h"

enum {
    TIMEOUT_DEFAULT_S = 60,
    CONNECT_TIMEOUT_S = 5,
    REPLY_DEFAULT_MAX_BYTES = 32 << 20,
    ERROR_TEXT_MAX_BYTES = 64 << 10,
    LOG_TAIL_MAX_BYTES = 16 << 10,
    ENDPOINT_MAX_BYTES = 512,
};

struct client {
    CURL *curl;
    char endpoint[ENDPOINT_MAX_BYTES];
    char region[64];
    char key_id[129];
    bool loopback;
    bool unreachable;
    char error_code[REPLY_HEADER_MAX];
    struct buf error_text;
};

struct transfer {
    struct reply *reply;
    const struct call *call;
};

void
reply_done(struct reply *reply)
{
    buf_done(&reply->body);
    buf_done(&reply->log_tail);
}

static bool
word_ok(const char *text, size_t max)
{
    size_t len = strlen(text);

    return len > 0 && len <= max &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

/* The URL may have a host, a port and a slash; anything more would be joined to paths wrongly. */
static int
endpoint_check(struct client *client, const char *endpoint, struct err *err)
{
    CURLU *url = curl_url();
    char *host = NULL, *path = NULL, *query = NULL;
    size_t len = strlen(endpoint);
    bool ok;

    ASSERT(url);
    ok = len < sizeof(client->endpoint) &&
         (strncmp(endpoint, "http://", 7) == 0 || strncmp(endpoint, "https://", 8) == 0) &&
         curl_url_set(url, CURLUPART_URL, endpoint, 0) == CURLUE_OK &&
         curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
         curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK && strcmp(path, "/") == 0 &&
         curl_url_get(url, CURLUPART_QUERY, &query, 0) != CURLUE_OK;
    if (ok) {
        client->loopback = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                           strcmp(host, "[::1]") == 0;
        while (len > 0 && endpoint[len - 1] == '/')
            len--;
        str_copy(client->endpoint, sizeof(client->endpoint), (struct str){endpoint, len});
    }
    curl_free(host);
    curl_free(path);
    curl_free(query);
    curl_url_cleanup(url);
    return ok ? 0
              : err_set(err, ERR_INVALID,
                        "'%.120s' is no endpoint: it looks like http://127.0.0.1:4566", endpoint);
}

int
client_new(const char *endpoint, const char *region, struct client **ret, struct err *err)
{
    AUTO(client_free) struct client *client = xcalloc(1, sizeof(*client));
    const char *key_id = getenv("AWS_ACCESS_KEY_ID");

    client->error_text = BUF_MAX(ERROR_TEXT_MAX_BYTES);
    if (!word_ok(region, 40))
        return err_set(err, ERR_INVALID, "'%.60s' is no region: it looks like us-east-1", region);
    if (endpoint_check(client, endpoint, err) < 0)
        return -(int)err->kind;
    str_copy(client->region, sizeof(client->region), str_of(region));
    str_copy(client->key_id, sizeof(client->key_id),
             str_of(key_id && word_ok(key_id, 128) ? key_id : "lambent"));
    client->curl = curl_easy_init();
    ASSERT(client->curl);
    *ret = TAKE(client);
    return 0;
}

void
client_free(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    buf_done(&client->error_text);
    free(client);
}

const char *
client_error_code(const struct client *client)
{
    return client->error_code;
}

const char *
client_error_text(const struct client *client)
{
    return client->error_text.len ? client->error_text.at : "";
}

bool
client_unreachable(const struct client *client)
{
    return client->unreachable;
}

void
client_escape(struct buf *to, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.' || c == '~')
            buf_c(to, (char)c);
        else {
            buf_c(to, '%');
            buf_c(to, digits[c >> 4]);
            buf_c(to, digits[c & 15]);
        }
    }
}

static size_t
on_body(char *at, size_t size, size_t n, void *arg)
{
    struct transfer *transfer = arg;

    return buf_add(&transfer->reply->body, at, size * n) ? size * n : 0;
}

static size_t
on_header(char *at, size_t size, size_t n, void *arg)
{
    struct reply *reply = ((struct transfer *)arg)->reply;
    const struct {
        const char *name;
        char *to;
    } wanted[] = {
        {"x-amzn-requestid", reply->request_id},
        {"x-amz-executed-version", reply->executed_version},
        {"x-amz-function-error", reply->function_error},
        {"x-amzn-errortype", reply->error_type},
        {"server", reply->server},
    };
    struct str line = {at, size * n}, name, value;
    ssize_t colon = str_find(line, ':');

    if (colon < 0)
        return size * n;
    name = (struct str){line.at, (size_t)colon};
    value = (struct str){line.at + colon + 1, line.len - (size_t)colon - 1};
    while (value.len && (*value.at == ' ' || *value.at == '\t'))
        value.at++, value.len--;
    while (value.len && (unsigned char)value.at[value.len - 1] <= ' ')
        value.len--;
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (str_eq_nocase(name, str_of(wanted[i].name)))
            (void)str_copy(wanted[i].to, REPLY_HEADER_MAX, value); /* too long: as if absent */
    if (str_eq_nocase(name, STR("x-amz-log-result"))) {
        buf_reset(&reply->log_tail);
        buf_str(&reply->log_tail, value);
    }
    return size * n;
}

static int
on_transfer(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct call *call = ((struct transfer *)arg)->call;

    if (call->on_progress && up_total > 0)
        call->on_progress(call->arg, (uint64_t)up, (uint64_t)up_total);
    return 0;
}

static struct curl_slist *
headers_make(const struct client *client, const struct call *call)
{
    struct curl_slist *list = NULL;
    char line[512], date[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm);
    list = curl_slist_append(list, "Expect:");
    snprintf(line, sizeof(line), "X-Amz-Date: %s", date);
    list = curl_slist_append(list, line);
    snprintf(line, sizeof(line),
             "Authorization: AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, "
             "SignedHeaders=host;x-amz-date, Signature=%064d",
             client->key_id, date, client->region, call->target ? "logs" : "lambda", 0);
    list = curl_slist_append(list, line);
    if (call->target) {
        snprintf(line, sizeof(line), "X-Amz-Target: %s", call->target);
        list = curl_slist_append(list, line);
        list = curl_slist_append(list, "Content-Type: application/x-amz-json-1.1");
    } else {
        list = curl_slist_append(list, "Content-Type: application/json");
    }
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        list = curl_slist_append(list, call->headers[i]);
    ASSERT(list);
    return list;
}

static enum err_kind
kind_of(long status, const char *code)
{
    if (status == 404 || strstr(code, "NotFound"))
        return ERR_NOT_FOUND;
    if (status == 409)
        return ERR_CONFLICT;
    if (status == 412)
        return ERR_PRECONDITION;
    if (status == 403)
        return ERR_DENIED;
    if (status == 413)
        return ERR_TOO_LARGE;
    if (status == 429)
        return ERR_THROTTLED;
    if (status == 501)
        return ERR_NOT_IMPLEMENTED;
    if (status == 503)
        return ERR_UNAVAILABLE;
    return status >= 500 ? ERR_INTERNAL : ERR_INVALID;
}

/* Error bodies spell it `message` or `Message`; the code is in x-amzn-ErrorType (REST) or `__type`
 * (awsJson), with a namespace before '#' and detail after ':' that clients drop. */
static int
error_from_reply(struct client *client, const struct reply *reply, struct err *err)
{
    json_t *doc = json_loadb(buf_view(&reply->body).at, reply->body.len, 0, NULL);
    const char *code = reply->error_type, *text, *hash;
    struct str short_code;
    ssize_t colon;

    if (!*code)
        code = json_string_value(json_object_get(doc, "__type"));
    if (!code)
        code = "";
    if ((hash = strrchr(code, '#')))
        code = hash + 1;
    short_code = str_of(code);
    if ((colon = str_find(short_code, ':')) >= 0)
        short_code.len = (size_t)colon;
    (void)str_copy(client->error_code, sizeof(client->error_code), short_code); /* or none */

    text = json_string_value(json_object_get(doc, "message"));
    if (!text)
        text = json_string_value(json_object_get(doc, "Message"));
    buf_reset(&client->error_text);
    if (text && *text)
        buf_z(&client->error_text, text);
    else
        buf_fmt(&client->error_text, "the endpoint answered with HTTP status %ld", reply->status);
    json_decref(doc);
    err_set(err, kind_of(reply->status, client->error_code), "%.200s", client_error_text(client));
    return -(int)err->kind;
}

static int
error_from_curl(struct client *client, CURLcode code, const struct call *call, struct err *err)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        client->unreachable = true;
        return err_set(err, ERR_UNAVAILABLE, "Cannot reach Lambent at %.150s", client->endpoint);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return err_set(err, ERR_UNAVAILABLE, "%.150s closed the connection before it answered",
                       client->endpoint);
    case CURLE_OPERATION_TIMEDOUT: {
        long sent_bytes = 0;

        /* A request that was never sent means that there was no connection to send it on. */
        (void)curl_easy_getinfo(client->curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
        if (sent_bytes == 0) {
            client->unreachable = true;
            return err_set(err, ERR_UNAVAILABLE,
                           "Cannot reach Lambent at %.150s: no answer in %d s", client->endpoint,
                           CONNECT_TIMEOUT_S);
        }
        return err_set(err, ERR_TIMEOUT, "%.150s did not answer within %ld s", client->endpoint,
                       call->timeout_s ? call->timeout_s : TIMEOUT_DEFAULT_S);
    }
    case CURLE_WRITE_ERROR:
        return err_set(err, ERR_TOO_LARGE, "the answer of %.150s is too large", client->endpoint);
    default:
        return err_set(err, ERR_INTERNAL, "%.150s: %s", client->endpoint, curl_easy_strerror(code));
    }
}

int
client_call(struct client *client, const struct call *call, struct reply *ret, struct err *err)
{
    AUTO_BUF struct buf url = BUF_MAX(8 << 10);
    struct transfer transfer = {ret, call};
    struct curl_slist *headers;
    CURL *curl = client->curl;
    CURLcode code;

    *ret = (struct reply){0};
    ret->body =
        BUF_MAX(call->reply_max_bytes ? call->reply_max_bytes : (size_t)REPLY_DEFAULT_MAX_BYTES);
    ret->log_tail = BUF_MAX(LOG_TAIL_MAX_BYTES);
    client->error_code[0] = '\0';
    buf_reset(&client->error_text);
    client->unreachable = false;
    if (!buf_fmt(&url, "%s%s", client->endpoint, call->path))
        return err_set(err, ERR_INVALID, "the request's address is too long");

    headers = headers_make(client, call);
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_URL, url.at);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (client->loopback)
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT,
                     call->timeout_s ? call->timeout_s : (long)TIMEOUT_DEFAULT_S);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "lambent/" LAMBENT_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
    if (call->on_progress) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_transfer);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
    }
    if (strcmp(call->method, "GET") == 0) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
        if (strcmp(call->method, "DELETE") != 0) {
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.at ? call->body.at : "");
        }
    }
    code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (code != CURLE_OK)
        return error_from_curl(client, code, call, err);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
    return ret->status >= 400 ? error_from_reply(client, ret, err) : 0;
}

int
client_json(struct client *client, const struct call *call, json_t **ret, struct err *err)
{
    AUTO_REPLY struct reply reply = {0};
    json_error_t at;
    json_t *doc;

    if (client_call(client, call, &reply, err) < 0)
        return -(int)err->kind;
    doc = json_loadb(buf_view(&reply.body).at, reply.body.len, 0, &at);
    if (!json_is_object(doc)) {
        json_decref(doc);
        return err_set(err, ERR_INTERNAL,
                       "%.120s did not answer with a JSON object: is it really Lambent?",
                       client->endpoint);
    }
    *ret = doc;
    return 0;
}
