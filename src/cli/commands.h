/* The rows of the command table; each is defined beside its handler. */
#pragma once

#include "cli/cli.h"

extern const struct command command_up, command_deploy, command_invoke, command_logs, command_ls,
    command_rm, command_doctor, command_completion, command_version;
