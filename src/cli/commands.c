/* The command table itself, in the order in which a new user meets them. */
#include "cli/commands.h"
#include "cli/options.h"

const struct command *const commands[] = {
    &command_up, &command_deploy, &command_invoke,     &command_logs,    &command_ls,
    &command_rm, &command_doctor, &command_completion, &command_version, NULL,
};

/* clang-format off */
const struct opt global_opts[] = {
    {"version", 'V', OPT_FLAG, offsetof(struct global_opts, version), NULL, "Print the version"},
    {"man", 0, OPT_FLAG, offsetof(struct global_opts, man), NULL, "Print the man page's source",
     .hidden = true},
    {NULL},
};
/* clang-format on */

const struct command *
command_find(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}
