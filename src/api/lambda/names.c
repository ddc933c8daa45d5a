/* Function names in all the forms that AWS takes. The model's pattern was checked before; here the
 * parts are taken apart and compared with who asks. */
#include "api/lambda/lambda.h"

static bool
all_digits(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
    return s.len > 0;
}

/* The part before the next ':' is cut off `rest`. */
static struct str
cut(struct str *rest)
{
    ssize_t colon = str_find(*rest, ':');
    struct str part = *rest;

    if (colon < 0) {
        *rest = STR_NULL;
        return part;
    }
    part.len = (size_t)colon;
    *rest = (struct str){rest->at + colon + 1, rest->len - (size_t)colon - 1};
    return part;
}

int
function_id_not_found(const struct function_id *id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "Function not found: %.*s", STR_FMT(id->full_arn));
}

int
function_id_parse(struct request *rq, struct str text, struct str qualifier,
                  struct function_id *ret, struct err *err)
{
    struct str region = rq->region, account = rq->account, rest = text, part, inner = STR_NULL;
    struct function_id id = {0};

    if (str_starts(rest, STR("arn:"))) { /* arn:aws:lambda:REGION:ACCOUNT:function:NAME[:Q] */
        cut(&rest);
        cut(&rest);
        cut(&rest);
        region = cut(&rest);
        account = cut(&rest);
        cut(&rest);
    } else if (rest.len > 13 && rest.at[12] == ':' && all_digits((struct str){rest.at, 12})) {
        account = cut(&rest); /* ACCOUNT:function:NAME[:Q] */
        cut(&rest);
    } else if (str_starts(rest, STR("function:"))) {
        cut(&rest);
    }
    part = cut(&rest);
    id.name = part;
    if (rest.at)
        inner = rest;
    if (id.name.len == 0 || id.name.len > 64)
        return err_wire(err, ERR_INVALID, AWS_VALIDATION_EXCEPTION,
                        "1 validation error detected: Value '%.*s' at 'functionName' failed to "
                        "satisfy constraint: Member must have length less than or equal to 64",
                        (int)MIN(text.len, (size_t)100), text.at);
    if (inner.at && qualifier.at && !str_eq(inner, qualifier))
        return err_set(err, ERR_INVALID,
                       "The derived qualifier from the function name does not match the specified "
                       "qualifier.");
    id.qualifier = qualifier.at ? qualifier : inner;
    if (!str_eq(region, rq->region))
        return err_set(err, ERR_NOT_FOUND,
                       "Functions from '%.*s' are not reachable in this region ('%.*s')",
                       STR_FMT(region), STR_FMT(rq->region));
    id.arn = arena_fmt(rq->arena, "arn:aws:lambda:%.*s:%.*s:function:%.*s", STR_FMT(region),
                       STR_FMT(account), STR_FMT(id.name));
    id.full_arn = id.qualifier.at ? arena_fmt(rq->arena, "%.*s:%.*s", STR_FMT(id.arn),
                                              STR_FMT(id.qualifier))
                                  : id.arn;
    if (arena_full(rq->arena))
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    if (!str_eq(account, rq->account))
        return function_id_not_found(&id, err);
    if (id.qualifier.at && !str_is(id.qualifier, "$LATEST")) {
        int64_t version;

        /* Aliases are not built yet: a name that is no number cannot exist. */
        if (!all_digits(id.qualifier) || !str_int(id.qualifier, 1, UINT32_MAX, &version))
            return function_id_not_found(&id, err);
        id.version = (uint32_t)version;
    }
    *ret = id;
    return 0;
}
