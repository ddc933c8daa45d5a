/* The bounds of a sandbox's specification: the daemon checks them to give a good error, the worker
 * checks them again because it does not believe the daemon. */
#include "sandbox/proto.h"

static bool
hash_ok(const char *name, size_t size)
{
    if (name[size - 1] != '\0' || strlen(name) != SHA256_HEX_LEN)
        return false;
    for (size_t i = 0; i < SHA256_HEX_LEN; i++)
        if (!((name[i] >= '0' && name[i] <= '9') || (name[i] >= 'a' && name[i] <= 'f')))
            return false;
    return true;
}

static bool
runtime_ok(const char *name, size_t size)
{
    if (memchr(name, '\0', size) == NULL || name[0] == '.')
        return false;
    for (size_t i = 0; name[i]; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
              name[i] == '.' || name[i] == '_' || name[i] == '-'))
            return false;
    return true;
}

bool
sandbox_spec_generic(const struct sandbox_spec *spec)
{
    static const char none[sizeof(spec->package)];

    return memcmp(spec->package, none, sizeof(none)) == 0 && spec->layers_len == 0;
}

int
sandbox_spec_check(const struct sandbox_spec *spec, struct err *err)
{
    const struct {
        uint32_t value, min, max;
        const char *name;
    } numbers[] = {
        {spec->memory_mb, 16, SANDBOX_MEMORY_MB_MAX, "memory_mb"},
        {spec->tmp_mb, 1, SANDBOX_TMP_MB_MAX, "tmp_mb"},
        {spec->pids_max, 2, SANDBOX_PIDS_MAX, "pids_max"},
        {spec->cpu_permille, 0, SANDBOX_CPU_PERMILLE_MAX, "cpu_permille"},
        {spec->layers_len, 0, SANDBOX_LAYERS_MAX, "layers_len"},
    };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i].value < numbers[i].min || numbers[i].value > numbers[i].max)
            return err_set(err, ERR_INVALID, "%s is %u, must be %u to %u", numbers[i].name,
                           numbers[i].value, numbers[i].min, numbers[i].max);
    if (!sandbox_spec_generic(spec) && !hash_ok(spec->package, sizeof(spec->package)))
        return err_set(err, ERR_INVALID, "the package's name is not a SHA-256");
    for (uint32_t i = 0; i < spec->layers_len; i++)
        if (!hash_ok(spec->layers[i], sizeof(spec->layers[i])))
            return err_set(err, ERR_INVALID, "the name of layer %u is not a SHA-256", i);
    if (!runtime_ok(spec->runtime, sizeof(spec->runtime)))
        return err_set(err, ERR_INVALID,
                       "the runtime folder's name has other characters than a-z0-9._-");
    return 0;
}
