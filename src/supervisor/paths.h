/* Where our own parts are: the running executable, the gateway's, the filter modules. In a build
 * tree the neighbours are used, installed the places that the build was configured with. */
#pragma once

#include <glib.h>

#include "config/config.h"

/* "0.1.0" */
const gchar *supervisor_version (void);
/* Directories for worker_modules_load(): `module-directory`, then filters/ of the build tree or the
 * installed one. `config` may be NULL. NULL-terminated, caller frees with g_strfreev(). */
gchar **supervisor_module_directories (const Config *config);
/* Opens an executable (O_PATH, close-on-exec), so that the one we started with is started again
 * even when the file has been replaced. -1: error names it. */
gint supervisor_open_executable (const gchar *path, GError **error);
/* mailweir-gateway, beside the running executable or where it was installed. Caller frees. */
gchar *supervisor_gateway_path (void);
/* The configuration to use when none is named: the system's if it exists, else NULL (the built-in
 * default). A literal. */
const gchar *supervisor_default_config (void);
