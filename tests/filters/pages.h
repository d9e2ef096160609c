/* Texts for tests of filters that stand elsewhere, and options that must not load. A page that is
 * not as it should be ends the test. */
#pragma once

#include <glib.h>

/* The first configuration that a page shows, between lines of "```". Caller frees. */
char *pages_config (const char *path);
/* A filter of this module, with each row's options: it does not load, and the errors have the row's
 * second text. */
void pages_expect_load_errors (const char *module, const char *const (*bad)[2], guint count);
/* Calls `func` with every file of the folder in MAILWEIR_CORPUS, in wire form (CRLF). FALSE: there
 * is no such folder. */
gboolean pages_corpus (void (*func) (const char *path, const char *message, gsize length,
                                     gpointer data),
                       gpointer data);
