/* CloudWatch Logs, as far as reading function logs needs it. Handlers run on a worker. Tokens are
 * opaque: time and id of the last event given (events), a name (groups), a number (streams). */
#include "api/api.h"
#include "gen/logs.h"

enum { EVENTS_MAX = 10000, NAMES_MAX = 50, TERMS_MAX = 16, PAGE_BYTES_MAX = 1 << 20 };

/* A group by name or ARN ("arn:aws:logs:R:A:log-group:NAME[:*]"). */
static int
group_name(struct str name, struct str identifier, struct str *ret, struct err *err)
{
    struct str s = name.at ? name : identifier, marker = STR(":log-group:");

    if (!s.at || (name.at && identifier.at))
        return err_set(err, ERR_INVALID,
                       "Exactly one of logGroupName and logGroupIdentifier must be given.");
    if (str_starts(s, STR("arn:"))) {
        const char *at = memmem(s.at, s.len, marker.at, marker.len);

        if (!at)
            return err_set(err, ERR_INVALID, "'%.*s' is not the ARN of a log group",
                           (int)MIN(s.len, (size_t)120), s.at);
        s = (struct str){at + marker.len, s.len - (size_t)(at - s.at) - marker.len};
        if (str_ends(s, STR(":*")))
            s.len -= 2;
    }
    *ret = s;
    return 0;
}

static int
no_group(struct err *err)
{
    err_clear(err);
    return err_set(err, ERR_NOT_FOUND, "The specified log group does not exist.");
}

static struct str
group_arn(struct request *rq, struct str name, const char *suffix)
{
    return arena_fmt(rq->arena, "arn:aws:logs:%.*s:%.*s:log-group:%.*s%s", STR_FMT(rq->region),
                     STR_FMT(rq->account), STR_FMT(name), suffix);
}

int
logs_create_log_group(struct request *rq, const struct logs_create_log_group_in *in,
                      struct logs_create_log_group_out *ret, struct err *err)
{
    int rc = logs_group_create(rq->api->store, rq->account, rq->region, in->log_group_name, err);

    if (rc != -ERR_CONFLICT)
        return rc;
    err_clear(err);
    return err_wire(err, ERR_CONFLICT, AWS_LOGS_RESOURCE_ALREADY_EXISTS_EXCEPTION,
                    "The specified log group already exists");
}

int
logs_delete_log_group(struct request *rq, const struct logs_delete_log_group_in *in,
                      struct logs_delete_log_group_out *ret, struct err *err)
{
    int rc = logs_group_delete(rq->api->store, rq->account, rq->region, in->log_group_name, err);

    return rc == -ERR_NOT_FOUND ? no_group(err) : rc;
}

int
logs_put_retention_policy(struct request *rq, const struct logs_put_retention_policy_in *in,
                          struct logs_put_retention_policy_out *ret, struct err *err)
{
    static const int16_t days[] = {1,   3,   5,   7,   14,   30,   60,   90,   120,  150,  180,
                                   365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(days); i++) {
        if (days[i] != in->retention_in_days.value)
            continue;
        rc = logs_group_retention(rq->api->store, rq->account, rq->region, in->log_group_name,
                                  in->retention_in_days.value, err);
        return rc == -ERR_NOT_FOUND ? no_group(err) : rc;
    }
    return err_set(err, ERR_INVALID, "%lld is not one of the retention periods in days.",
                   (long long)in->retention_in_days.value);
}

int
logs_delete_retention_policy(struct request *rq, const struct logs_delete_retention_policy_in *in,
                             struct logs_delete_retention_policy_out *ret, struct err *err)
{
    int rc =
        logs_group_retention(rq->api->store, rq->account, rq->region, in->log_group_name, 0, err);

    return rc == -ERR_NOT_FOUND ? no_group(err) : rc;
}

int
logs_describe_log_groups(struct request *rq, const struct logs_describe_log_groups_in *in,
                         struct logs_describe_log_groups_out *ret, struct err *err)
{
    size_t limit = (size_t)(in->limit.set ? MIN(in->limit.value, (int64_t)NAMES_MAX) : NAMES_MAX),
           n;
    struct log_group_row *rows;
    int rc;

    if (in->log_group_name_pattern.at)
        return err_set(
            err, ERR_NOT_IMPLEMENTED,
            "Lambent does not implement logGroupNamePattern yet: use logGroupNamePrefix.");
    rc = logs_groups(rq->api->store, rq->arena, rq->account, rq->region, in->log_group_name_prefix,
                     in->next_token, limit + 1, &rows, &n, err);
    if (rc < 0)
        return rc;
    ret->log_groups.set = true;
    ret->log_groups.at = ARENA_ARRAY(rq->arena, typeof(*ret->log_groups.at), n + 1);
    if (!ret->log_groups.at)
        return err_set(err, ERR_TOO_LARGE, "The answer is too large");
    for (size_t i = 0; i < MIN(n, limit); i++) {
        struct logs_log_group *g = &ret->log_groups.at[ret->log_groups.len++];

        g->log_group_name = rows[i].name;
        g->creation_time = OPT_INT(rows[i].created_ms);
        if (rows[i].retention_days)
            g->retention_in_days = OPT_INT(rows[i].retention_days);
        g->metric_filter_count = OPT_INT(0);
        g->arn = group_arn(rq, rows[i].name, ":*");
        g->log_group_arn = group_arn(rq, rows[i].name, "");
        g->stored_bytes = OPT_INT(rows[i].stored_bytes);
        g->log_group_class = STR("STANDARD");
    }
    if (n > limit)
        ret->next_token = rows[limit - 1].name;
    return 0;
}

static int
read_number(struct str token, const char *prefix, int64_t *ret, struct err *err)
{
    size_t skip = strlen(prefix);

    if (!str_starts(token, str_of(prefix)) ||
        !str_int((struct str){token.at + skip, token.len - skip}, 0, INT64_MAX, ret))
        return err_set(err, ERR_INVALID, "The specified nextToken is invalid.");
    return 0;
}

/* "f/1700000000000/42": where a page of events ended. */
static int
read_place(struct str token, struct log_filter *f, struct err *err)
{
    struct str rest = {token.at + 2, token.len > 2 ? token.len - 2 : 0};
    ssize_t slash = str_find(rest, '/');

    if (slash < 0 ||
        !str_int((struct str){rest.at, (size_t)slash}, 0, INT64_MAX, &f->after_time_ms) ||
        !str_int((struct str){rest.at + slash + 1, rest.len - (size_t)slash - 1}, 0, INT64_MAX,
                 &f->after_id))
        return err_set(err, ERR_INVALID, "The specified nextToken is invalid.");
    f->paging = true;
    return 0;
}

static struct str
write_place(struct request *rq, char direction, int64_t time_ms, int64_t id)
{
    return arena_fmt(rq->arena, "%c/%lld/%lld", direction, (long long)time_ms, (long long)id);
}

int
logs_describe_log_streams(struct request *rq, const struct logs_describe_log_streams_in *in,
                          struct logs_describe_log_streams_out *ret, struct err *err)
{
    size_t limit = (size_t)(in->limit.set ? MIN(in->limit.value, (int64_t)NAMES_MAX) : NAMES_MAX),
           n;
    bool by_time = str_is(in->order_by, "LastEventTime");
    struct log_stream_row *rows;
    struct str group;
    int64_t offset = 0;
    int rc;

    rc = group_name(in->log_group_name, in->log_group_identifier, &group, err);
    if (rc >= 0 && in->next_token.at)
        rc = read_number(in->next_token, "o/", &offset, err);
    if (rc >= 0 && by_time && in->log_stream_name_prefix.at)
        return err_set(err, ERR_INVALID,
                       "Cannot order by LastEventTime with a logStreamNamePrefix.");
    if (rc >= 0)
        rc = logs_streams(rq->api->store, rq->arena, rq->account, rq->region, group,
                          in->log_stream_name_prefix, by_time, in->descending.value, (size_t)offset,
                          limit + 1, &rows, &n, err);
    if (rc == -ERR_NOT_FOUND)
        return no_group(err);
    if (rc < 0)
        return rc;
    ret->log_streams.set = true;
    ret->log_streams.at = ARENA_ARRAY(rq->arena, typeof(*ret->log_streams.at), n + 1);
    if (!ret->log_streams.at)
        return err_set(err, ERR_TOO_LARGE, "The answer is too large");
    for (size_t i = 0; i < MIN(n, limit); i++) {
        struct logs_log_stream *s = &ret->log_streams.at[ret->log_streams.len++];

        s->log_stream_name = rows[i].name;
        s->creation_time = OPT_INT(rows[i].created_ms);
        if (rows[i].first_event_ms)
            s->first_event_timestamp = OPT_INT(rows[i].first_event_ms);
        if (rows[i].last_event_ms)
            s->last_event_timestamp = OPT_INT(rows[i].last_event_ms);
        if (rows[i].last_ingested_ms)
            s->last_ingestion_time = OPT_INT(rows[i].last_ingested_ms);
        s->arn = arena_fmt(rq->arena, "%.*s:log-stream:%.*s", STR_FMT(group_arn(rq, group, "")),
                           STR_FMT(rows[i].name));
        s->stored_bytes = OPT_INT(0); /* as AWS answers since 2019 */
    }
    if (n > limit)
        ret->next_token = arena_fmt(rq->arena, "o/%zu", (size_t)offset + limit);
    return 0;
}

int
logs_get_log_events(struct request *rq, const struct logs_get_log_events_in *in,
                    struct logs_get_log_events_out *ret, struct err *err)
{
    size_t limit = (size_t)(in->limit.set ? MIN(in->limit.value, (int64_t)EVENTS_MAX) : EVENTS_MAX);
    bool forward = in->start_from_head.value;
    struct log_filter f = {.account = rq->account,
                           .region = rq->region,
                           .stream = in->log_stream_name,
                           .start_ms = in->start_time.set ? in->start_time.value : INT64_MIN,
                           .end_ms = in->end_time.set ? in->end_time.value : INT64_MAX,
                           .limit = limit,
                           .bytes_max = PAGE_BYTES_MAX};
    struct log_event_row *rows;
    size_t n;
    int rc;

    rc = group_name(in->log_group_name, in->log_group_identifier, &f.group, err);
    if (rc >= 0 && in->next_token.at) {
        rc = read_place(in->next_token, &f, err);
        forward = !str_starts(in->next_token, STR("b/"));
    }
    f.descending = !forward;
    if (rc >= 0)
        rc = logs_read(rq->api->store, rq->arena, &f, &rows, &n, err);
    if (rc == -ERR_NOT_FOUND) {
        err_clear(err);
        return err_set(err, ERR_NOT_FOUND, "The specified log stream does not exist.");
    }
    if (rc < 0)
        return rc;
    ret->events.set = true;
    ret->events.at = ARENA_ARRAY(rq->arena, typeof(*ret->events.at), n + 1);
    if (!ret->events.at)
        return err_set(err, ERR_TOO_LARGE, "The answer is too large");
    for (size_t i = 0; i < n; i++) {
        const struct log_event_row *row = &rows[f.descending ? n - 1 - i : i];

        ret->events.at[i] = (struct logs_output_log_event){OPT_INT(row->time_ms), row->message,
                                                           OPT_INT(row->ingested_ms)};
    }
    ret->events.len = n;
    if (n == 0) { /* the end, for now: the same token asks again */
        ret->next_forward_token = write_place(rq, 'f', f.after_time_ms, f.after_id);
        ret->next_backward_token = write_place(rq, 'b', f.after_time_ms, f.after_id);
        return 0;
    }
    if (f.descending) {
        ret->next_forward_token = write_place(rq, 'f', rows[0].time_ms, rows[0].id);
        ret->next_backward_token = write_place(rq, 'b', rows[n - 1].time_ms, rows[n - 1].id);
    } else {
        ret->next_forward_token = write_place(rq, 'f', rows[n - 1].time_ms, rows[n - 1].id);
        ret->next_backward_token = write_place(rq, 'b', rows[0].time_ms, rows[0].id);
    }
    return 0;
}

/* The plain part of CloudWatch's filter patterns: words and "quoted texts", all of which must
 * occur. */
static int
parse_pattern(struct str pattern, struct str terms[TERMS_MAX], size_t *ret_len, struct err *err)
{
    size_t n = 0, i = 0;

    while (i < pattern.len) {
        size_t start;

        if (pattern.at[i] == ' ') {
            i++;
            continue;
        }
        if (memchr("{[?-%", pattern.at[i], 5))
            return err_set(err, ERR_NOT_IMPLEMENTED,
                           "Lambent's filter patterns are words and \"quoted texts\" so far.");
        if (n == TERMS_MAX)
            return err_set(err, ERR_INVALID, "A filter pattern has at most %d terms.", TERMS_MAX);
        if (pattern.at[i] == '"') {
            start = ++i;
            while (i < pattern.len && pattern.at[i] != '"')
                i++;
            if (i == pattern.len)
                return err_set(err, ERR_INVALID, "Invalid filter pattern: a quote is not closed");
            terms[n++] = (struct str){pattern.at + start, i++ - start};
        } else {
            start = i;
            while (i < pattern.len && pattern.at[i] != ' ')
                i++;
            terms[n++] = (struct str){pattern.at + start, i - start};
        }
    }
    *ret_len = n;
    return 0;
}

static bool
matches(const struct log_event_row *row, const struct logs_filter_log_events_in *in,
        const struct str *terms, size_t terms_len)
{
    bool stream = in->log_stream_names.len == 0;

    for (size_t i = 0; i < in->log_stream_names.len && !stream; i++)
        stream = str_eq(in->log_stream_names.at[i], row->stream);
    if (!stream)
        return false;
    for (size_t i = 0; i < terms_len; i++)
        if (!memmem(row->message.at, row->message.len, terms[i].at, terms[i].len))
            return false;
    return true;
}

int
logs_filter_log_events(struct request *rq, const struct logs_filter_log_events_in *in,
                       struct logs_filter_log_events_out *ret, struct err *err)
{
    size_t limit = (size_t)(in->limit.set ? MIN(in->limit.value, (int64_t)EVENTS_MAX) : EVENTS_MAX);
    struct log_filter f = {.account = rq->account,
                           .region = rq->region,
                           .stream_prefix = in->log_stream_name_prefix,
                           .start_ms = in->start_time.set ? in->start_time.value : INT64_MIN,
                           .end_ms = in->end_time.set && in->end_time.value < INT64_MAX
                                         ? in->end_time.value + 1
                                         : INT64_MAX,
                           .limit = limit,
                           .bytes_max = PAGE_BYTES_MAX};
    struct str terms[TERMS_MAX];
    struct log_event_row *rows;
    size_t n, terms_len = 0;
    bool more = false;
    int rc;

    f.ret_more = &more;

    rc = group_name(in->log_group_name, in->log_group_identifier, &f.group, err);
    if (rc >= 0)
        rc = parse_pattern(in->filter_pattern, terms, &terms_len, err);
    if (rc >= 0 && in->next_token.at)
        rc = read_place(in->next_token, &f, err);
    if (rc < 0)
        return rc;
    if (terms_len > 0)
        f.contains = terms[0];
    if (in->log_stream_names.len == 1)
        f.stream = in->log_stream_names.at[0];
    rc = logs_read(rq->api->store, rq->arena, &f, &rows, &n, err);
    if (rc == -ERR_NOT_FOUND)
        return no_group(err);
    if (rc < 0)
        return rc;
    ret->searched_log_streams.set = ret->events.set = true;
    ret->events.at = ARENA_ARRAY(rq->arena, typeof(*ret->events.at), n + 1);
    if (!ret->events.at)
        return err_set(err, ERR_TOO_LARGE, "The answer is too large");
    for (size_t i = 0; i < n; i++) {
        if (!matches(&rows[i], in, terms, terms_len))
            continue;
        ret->events.at[ret->events.len++] = (struct logs_filtered_log_event){
            .log_stream_name = rows[i].stream,
            .timestamp = OPT_INT(rows[i].time_ms),
            .message = rows[i].message,
            .ingestion_time = OPT_INT(rows[i].ingested_ms),
            .event_id = arena_fmt(rq->arena, "%lld", (long long)rows[i].id),
        };
    }
    if (more && n > 0)
        ret->next_token = write_place(rq, 'f', rows[n - 1].time_ms, rows[n - 1].id);
    return 0;
}
