/* The settings of lambentd (settings.def): defaults < configuration file < environment < flags.
 * Text values are owned by the struct. Thread: parsed by main; read by the loop afterwards. */
#pragma once

#include "base/err.h"

struct settings {
#define H(text)
#define S(kind, name, def, min, max, reload, arg, help) SETTING_##kind(name)
#define SETTING_TEXT(name) char *name;
#define SETTING_NUMBER(name) int64_t name;
#define SETTING_SWITCH(name) int64_t name;
#include "base/settings.def"
#undef SETTING_TEXT
#undef SETTING_NUMBER
#undef SETTING_SWITCH
#undef S
#undef H
};

enum settings_action { SETTINGS_RUN, SETTINGS_HELP, SETTINGS_MAN, SETTINGS_VERSION, SETTINGS_API };

/* Fill from all sources. INVALID names the source and the line. `*ret_action` tells if the command
 * line asked for a text instead of a daemon. */
int settings_load(struct settings *s, int argc, char **argv, enum settings_action *ret_action,
                  struct err *err);
/* Read the sources again; only rows with reload=1 change. On error nothing changes. */
int settings_reload(struct settings *s, int argc, char **argv, struct err *err);
void settings_done(struct settings *s);
void settings_help(FILE *out);
void settings_man(FILE *out);
