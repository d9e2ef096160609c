/* Runs configured filters on a message in this process: a configuration's text in, what they did
 * out. Aborts the test on anything that is not the filters' doing. */
#pragma once

#include <glib.h>

typedef struct _Harness Harness;

/* `filters` are filter blocks; the chain is `chain` ("\"f\", \"g\""). */
Harness *harness_new (const char *chain, const char *filters);
/* NULL when it loads, else every error. Caller frees. */
char *harness_load_errors (const char *chain, const char *filters);
void harness_free (Harness *harness);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Harness, harness_free)

typedef enum
{
  HARNESS_PASS,
  HARNESS_REFUSED,
  HARNESS_DISCARDED,
  HARNESS_QUARANTINED,
  HARNESS_FAILED
} HarnessVerdict;

typedef struct
{
  HarnessVerdict verdict; /* of the last record */
  char *reply;            /* "550 5.7.1 text", or the reason; NULL */
  GBytes *message;        /* as it leaves the chain */
  guint n_edits;
  char *sender;     /* as it leaves */
  char *recipients; /* joined by ' ' */
  char *notes;      /* "name=value" joined by '\n' */
} HarnessResult;

/* Runs what a message without attachments in its chain needs, or all: end_of_headers or
 * end_of_message, from a@example.org to b@example.net. */
HarnessResult *harness_run (Harness *harness, const char *message, gsize length);
HarnessResult *harness_run_envelope (Harness *harness, const char *message, gsize length,
                                     const char *sender, const char *const *recipients);
/* Whether a filter asks for the whole message. */
gboolean harness_needs_body (const Harness *harness);
/* Runs one hook that sees no message ("mail", "rcpt", …) with this argument, which may be NULL; of
 * "command" it begins with the verb;
 * `code` is for "message_over". All filters' states are kept from one run to the next. */
HarnessResult *harness_run_hook (Harness *harness, const char *hook, const char *argument,
                                 guint code);
/* From now on what filters want to remember is lost, as when their worker is killed at the end of a
 * call; or is kept again. */
void harness_lose_records (Harness *harness, gboolean loses);
/* Closes what the filters have put beside their states, as the end of a session does. */
void harness_drop_descriptors (Harness *harness);
void harness_result_free (HarnessResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (HarnessResult, harness_result_free)

/* Lines with CRLF for LF. Caller frees. */
char *harness_crlf (const char *text);
/* The first configuration that a page shows, between lines of "```". Caller frees. */
char *harness_page_config (const char *path);
/* Whether the result's message is exactly this. */
void harness_assert_message (const HarnessResult *result, const char *expected, gsize length);
/* Calls `func` with every file of the folder in MAILWEIR_CORPUS, in wire form (CRLF). FALSE: there
 * is no such folder. */
gboolean harness_corpus (void (*func) (const char *path, const char *message, gsize length,
                                       gpointer data),
                         gpointer data);
