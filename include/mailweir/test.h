/* A harness for the tests of filter modules: runs them without a gateway, by the code that runs
 * them in one. Link with libmailweir-test (pkg-config libmailweir-test), which has the functions of
 * <mailweir/filter.h> that modules look for; docs/writing-filters.md shows a whole test.
 *
 *   g_autoptr (WeirTest) test = weir_test_load ("./no-noise.so", "loud = true", NULL);
 *   g_autoptr (WeirTestResult) result = weir_test_run (test, message, strlen (message));
 *
 *   g_assert_cmpint (result->verdict, ==, WEIR_TEST_REFUSED);
 *
 * Everything runs in this process, on the calling thread: what crashes in the module crashes the
 * test, what hangs hangs it (`timeout` is not held), and a debugger or a sanitizer sees it. What a
 * gateway does about that is the gateway's, and `mailweir try` shows it. What is wrong with the use
 * of the harness itself (an unknown hook) ends the test. */
#pragma once

#include <mailweir/filter.h>

G_BEGIN_DECLS

/* A chain of loaded filters, and one session that they see. */
typedef struct _WeirTest WeirTest;

/* Loads one filter, named "test", of the module at this path ("no-noise.so"; with neither '/' nor
 * ".so" it is the name of an installed one). `options` is what stands in its block beside `module`,
 * the common ones (`only-if`, `on-failure`, `enforce`) included; NULL: nothing. When it does not
 * load: NULL and every error in `errors`, as `mailweir check` prints them (caller frees); with
 * `errors` NULL the test ends with them. Free with weir_test_free(). */
WEIR_API WeirTest *weir_test_load (const char *module, const char *options, char **errors);
/* Several: `filters` are blocks as in a configuration, `chain` is the listener's list of them
 * ("\"one\", \"two\""). `module-directory = "…"` in front of the blocks is looked into first.
 * Errors end the test. */
WEIR_API WeirTest *weir_test_new (const char *chain, const char *filters);
/* NULL when these load, else every error. Caller frees. */
WEIR_API char *weir_test_load_errors (const char *chain, const char *filters);
/* Ends the session and calls `stop`. */
WEIR_API void weir_test_free (WeirTest *test);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirTest, weir_test_free)

/* ---- The session. Strings are copied. Unless told otherwise: client.example [192.0.2.1], which
 * said the same to EHLO, without TLS and user, on the listener "l" of mx.example.org, from
 * a@example.org to b@example.net ---- */

WEIR_API void weir_test_set_client (WeirTest *test, const char *address, guint port,
                                    const char *name);
WEIR_API void weir_test_set_helo (WeirTest *test, const char *domain); /* NULL: not yet */
/* NULL, NULL: nobody is authenticated; or plaintext. */
WEIR_API void weir_test_set_user (WeirTest *test, const char *user, const char *mechanism);
WEIR_API void weir_test_set_tls (WeirTest *test, const char *protocol, const char *cipher);
/* Parameters are "KEYWORD=value" strings, NULL-terminated; NULL: none. A NULL sender: before MAIL.
 */
WEIR_API void weir_test_set_sender (WeirTest *test, const char *sender,
                                    const char *const *parameters);
WEIR_API void weir_test_set_recipients (WeirTest *test, const char *const *recipients);
WEIR_API void weir_test_add_recipient (WeirTest *test, const char *recipient,
                                       const char *const *parameters);
/* As if a filter in front had set it, for the message at hand. */
WEIR_API void weir_test_set_note (WeirTest *test, const char *name, const char *value);
/* What the next "message_over" says that became of the message (weir_status()). Unless told: what
 * its code says, "sent", "deferred", "rejected" or, of 0, "aborted". */
WEIR_API void weir_test_set_status (WeirTest *test, const char *status);

/* ---- What came of a run ---- */

typedef enum
{
  WEIR_TEST_PASS,
  WEIR_TEST_REFUSED, /* 4xx or 5xx */
  WEIR_TEST_DISCARDED,
  WEIR_TEST_QUARANTINED,
  WEIR_TEST_FAILED /* the last filter that ran could not do its work, or did what it may not */
} WeirTestVerdict;

typedef struct
{
  WeirTestVerdict verdict; /* of the chain: a filter with `enforce = false` has none */
  const char *hook;        /* the last one that ran, static: "rcpt", "end_of_message" */
  guint code;              /* of `reply`; 0: none, the gateway's own or the next server's */
  gboolean closes;         /* hangs up after the answer */
  char *reply;      /* "550 5.7.1 one / two", all lines; of QUARANTINED and FAILED the reason;
                       NULL: none */
  GBytes *message;  /* as it leaves the chain; as it was, when it does not. Never NULL */
  guint n_edits;    /* ranges of it that were changed */
  char *sender;     /* as it leaves; NULL before MAIL */
  char *recipients; /* joined by ' ' */
  char *notes;      /* set in this run: "name=value\n" for each */
  char *filters;    /* as in the log line: "one=pass/0ms,two=would-reject/1ms"; NULL: none ran */
  char *log;        /* lines that were logged in this run, each with its line break */
} WeirTestResult;

WEIR_API void weir_test_result_free (WeirTestResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WeirTestResult, weir_test_result_free)

/* ---- Runs. State, descriptor, skips and notes are kept from one to the next, as in a session;
 * those of the message until "rset", "helo", "ehlo" and "message_over", or the end of a message
 * that weir_test_run() ran. Free results with weir_test_result_free() ---- */

/* The hooks of a message, filter by filter: `header`, `end_of_headers`, and if a filter asks for
 * the body `body` and `end_of_message`. The bytes are taken as they are: see weir_test_crlf(). */
WEIR_API WeirTestResult *weir_test_run (WeirTest *test, const char *message, gsize length);
/* The same, from and to them. */
WEIR_API WeirTestResult *weir_test_run_envelope (WeirTest *test, const char *message, gsize length,
                                                 const char *sender, const char *const *recipients);
/* One hook that sees no message, by its name in filter.h: "connect", "mail", "rcpt", …; "command"
 * for one that a module adds. `argument` is what the hook is given, of "command" behind the verb
 * and a space; NULL: nothing, or at "helo", "ehlo", "mail" and "rcpt" what the session has (of
 * recipients the last). `code` is for "message_over", 0 elsewhere. */
WEIR_API WeirTestResult *weir_test_run_hook (WeirTest *test, const char *hook, const char *argument,
                                             guint code);
/* All that a client that sends this message and says QUIT leads to, from "connect" to
 * "session_over". The result is that of the hook that ended it, or of the message. A recipient who
 * is refused is left out; the last one's refusal ends it. A new session begins afterwards. */
WEIR_API WeirTestResult *weir_test_run_session (WeirTest *test, const char *message, gsize length);
/* Whether a filter asks for the whole message, so that it is not streamed. */
WEIR_API gboolean weir_test_needs_body (WeirTest *test);
/* From now on what filters want to remember (state, descriptor) is lost, as when their worker is
 * killed at the end of a call; or is kept again. */
WEIR_API void weir_test_lose_state (WeirTest *test, gboolean loses);
/* Forgets all that filters remember and closes what they keep, without a hook. */
WEIR_API void weir_test_end_session (WeirTest *test);

/* Lines with CRLF for LF. Caller frees. */
WEIR_API char *weir_test_crlf (const char *text);
/* The same of text that may hold NULs. */
WEIR_API char *weir_test_wire (const char *text, gsize length, gsize *wire_length);
/* Ends the test unless the result's message is exactly this. */
WEIR_API void weir_test_assert_message (const WeirTestResult *result, const char *expected,
                                        gsize length);

G_END_DECLS
