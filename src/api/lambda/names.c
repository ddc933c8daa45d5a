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

/* "us-east-1", "us-gov-west-1" */
static bool
is_region(struct str s)
{
    size_t dashes = 0;

    for (size_t i = 0; i < s.len; i++) {
        dashes += s.at[i] == '-';
        if (!(s.at[i] >= 'a' && s.at[i] <= 'z') && s.at[i] != '-' && i + 1 < s.len)
            return false;
    }
    return s.len >= 6 && dashes >= 2 && s.at[2] == '-' && s.at[s.len - 2] == '-' &&
           s.at[s.len - 1] >= '0' && s.at[s.len - 1] <= '9';
}

int
function_id_not_found(struct request *rq, const struct function_id *id, struct err *err)
{
    /* A name and an alias of full length do not fit err->text. */
    rq->message = arena_fmt(rq->arena, "Function not found: %.*s", STR_FMT(id->full_arn));
    return err_set(err, ERR_NOT_FOUND, "Function not found: %.*s", STR_FMT(id->full_arn));
}

int
function_id_parse(struct request *rq, struct str text, struct str qualifier,
                  struct function_id *ret, struct err *err)
{
    struct str region = rq->region, account = rq->account, rest = text, inner = STR_NULL, look;
    struct function_id id = {0};

    /* [arn:aws:lambda:][REGION:][ACCOUNT:][function:]NAME[:Q], where each part may be left out */
    if (str_starts(rest, STR("arn:"))) {
        cut(&rest);
        cut(&rest);
        cut(&rest);
    }
    look = rest;
    if (is_region(cut(&look)) && look.at)
        region = cut(&rest);
    look = rest;
    if (all_digits(cut(&look)) && look.at && look.at - rest.at == 13)
        account = cut(&rest);
    if (str_starts(rest, STR("function:")))
        cut(&rest);
    id.name = cut(&rest);
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
    id.full_arn = id.qualifier.at
                      ? arena_fmt(rq->arena, "%.*s:%.*s", STR_FMT(id.arn), STR_FMT(id.qualifier))
                      : id.arn;
    if (arena_full(rq->arena))
        return err_set(err, ERR_TOO_LARGE, "The request is too large");
    if (!str_eq(account, rq->account))
        return function_id_not_found(rq, &id, err);
    if (id.qualifier.at && !str_is(id.qualifier, "$LATEST")) {
        int64_t version;

        /* Aliases are not built yet: a name that is no number cannot exist. */
        if (!all_digits(id.qualifier) || !str_int(id.qualifier, 1, UINT32_MAX, &version))
            return function_id_not_found(rq, &id, err);
        id.version = (uint32_t)version;
    }
    *ret = id;
    return 0;
}
