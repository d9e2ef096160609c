/* LMTP on either side: from an SMTP client one recipient a transaction, from an LMTP client all of
 * them, each with its own fate, whatever the upstream, the clock and the filters do. */
#include "harness.h"

#include <string.h>

#define LISTENER(protocol, more)                                                                   \
  "hostname = \"mx.test\"\ndeadline = 60s\nquarantine = \"/nowhere\"\n"                            \
  "listener \"in\" { protocol = \"" protocol "\" bind = [\"127.0.0.1:2525\"] routes = [\"up\", "   \
  "\"other\"] " more " }\n"
#define ROUTES(to)                                                                                 \
  "route \"up\" { to = [\"" to "\"] reply = 30s final-reply = 10m }\n"                             \
  "route \"other\" { for = [\"other.test\"] to = [\"smtp://127.0.0.1:26\"] }\n"
#define FILTER "filter \"one\" { module = \"x\" timeout = 10s }\n"

#define LMTP LISTENER ("lmtp", "")
#define TO_LMTP ROUTES ("lmtp://127.0.0.1:24")
#define SAY_B "RCPT TO:<b@up.test>\n"
#define SAY_C "RCPT TO:<c@up.test>\n"
#define SAY_D "RCPT TO:<d@up.test>\n"

static Harness *
begin (const gchar *config)
{
  Harness *h = harness_new (config, NULL, 0, 0);
  harness_greet (h);
  return h;
}

static Harness *
begin_filtered (const gchar *config, HarnessFilter filter)
{
  const guint32 hooks[] = { IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE) };
  Harness *h = harness_new (config, hooks, 1, IPC_EDIT_HEADERS | IPC_EDIT_RECIPIENTS);
  h->filter = filter;
  harness_greet (h);
  return h;
}

/* MAIL, b, c and d, accepted, and DATA. */
static void
open_three (Harness *h)
{
  g_autofree gchar *heard = NULL;
  harness_say (h, SAY_MAIL SAY_B SAY_C SAY_D "DATA\n");
  heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "\n354 "));
  g_assert_null (strstr (heard, "\n4"));
  g_assert_null (strstr (heard, "\n5"));
}

static guint
taken (Harness *h, const gchar *whose)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (h->accepted, whose));
}

/* ---- The greeting and the verbs ---- */

static void
test_verbs (void)
{
  g_autoptr (Harness) h = harness_new (LMTP TO_LMTP, NULL, 0, 0);
  g_autofree gchar *greeting = harness_heard (h);
  g_assert_cmpstr (greeting, ==, "220 mx.test LMTP Mailweir\n");
  harness_say (h, "EHLO x\nHELO x\nMAIL FROM:<a@client.test>\nLHLO\nLHLO x\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "500 This is LMTP, send LHLO\n"
                                          "500 This is LMTP, send LHLO\n"
                                          "503 Send LHLO first\n"
                                          "501 Syntax: LHLO hostname\n250-mx.test Hello"));
}

static void
test_lhlo_in_smtp (void)
{
  g_autoptr (Harness) h = begin (LISTENER ("smtp", "") TO_LMTP);
  harness_say (h, "LHLO x\n");
  harness_assert_code (h, "500 5.5.1");
}

/* ---- From SMTP: one recipient at a time ---- */

static void
test_alone (void)
{
  g_autoptr (Harness) h = begin (LISTENER ("smtp", "") TO_LMTP);
  harness_say (h, SAY_MAIL SAY_B SAY_C "DATA\n" SAY_BODY);
  harness_assert_heard (h, "250 2.1.0 Sender <a@client.test> ok\n250 2.0.0 up ok\n"
                           "452 4.5.3 One recipient at a time here, send it separately\n"
                           "354 End data with <CR><LF>.<CR><LF>\n250 2.0.0 up ok\n");
  g_assert_cmpuint (taken (h, "a@client.test b@up.test"), ==, 1);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpuint (h->given_back, ==, 1);
  harness_say (h, SAY_MAIL SAY_C "DATA\n" SAY_BODY);
  g_assert_cmpuint (taken (h, "a@client.test c@up.test"), ==, 1);
}

/* The first one is refused: the second may come, with the same MAIL. */
static void
test_alone_after_refusal (void)
{
  g_autoptr (Harness) h = begin (LISTENER ("smtp", "") TO_LMTP);
  harness_script (h, "RCPT b@up.test", "550 5.1.1 no");
  harness_say (h, SAY_MAIL SAY_B SAY_C "DATA\n" SAY_BODY);
  harness_assert_heard (h, "250 2.1.0 Sender <a@client.test> ok\n550 5.1.1 no\n250 2.0.0 up ok\n"
                           "354 End data with <CR><LF>.<CR><LF>\n250 2.0.0 up ok\n");
  g_assert_cmpstr (h->commands->str, ==,
                   "MAIL a@client.test\nRCPT b@up.test\nRCPT c@up.test\nDATA\nEND\n");
}

static void
test_alone_refused (void)
{
  g_autoptr (Harness) h = begin (LISTENER ("smtp", "") TO_LMTP);
  harness_script (h, "END b@up.test", "452 4.2.2 full");
  harness_say (h, SAY_MAIL SAY_B "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "452 4.2.2 full\n");
  g_assert_cmpstr (h->outcome, ==, "deferred");
  g_assert_cmpuint (h->given_back, ==, 1);
}

/* ---- From LMTP to LMTP ---- */

static void
test_each (gconstpointer bytewise)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "END c@up.test", "552 5.2.2 c is full");
  open_three (h);
  if (bytewise != NULL)
    harness_say_bytewise (h, SAY_BODY);
  else
    harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 up ok\n552 5.2.2 c is full\n250 2.0.0 up ok\n");
  g_assert_cmpuint (h->connections, ==, 1);
  g_assert_cmpuint (h->given_back, ==, 1);
  g_assert_cmpstr (h->outcome, ==, "partial");
  g_assert_nonnull (strstr (h->message->str, " with LMTP id "));
  harness_say (h, SAY_MAIL SAY_B "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 up ok\n");
}

static void
test_refused_at_rcpt (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "RCPT c@up.test", "550 5.1.1 no");
  harness_script (h, "END d@up.test", "451 4.3.0 later");
  harness_say (h, SAY_MAIL SAY_B SAY_C SAY_D "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 up ok\n451 4.3.0 later\n");
}

/* What is known is told while the rest is awaited. */
static void
test_as_they_come (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "END c@up.test", "stall");
  open_three (h);
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 up ok\n");
  g_assert_true (gateway_session_is_final (h->session));
  harness_pass_time (h, 9 * 60 * 1000);
  harness_upstream_answers (h, "550 5.0.0 c");
  harness_assert_heard (h, "550 5.0.0 c\n");
  harness_pass_time (h, 9 * 60 * 1000);
  g_assert_true (gateway_session_is_final (h->session));
  harness_upstream_answers (h, "250 2.0.0 d");
  harness_assert_heard (h, "250 2.0.0 d\n");
}

static void
test_lost_midway (gconstpointer how)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "END c@up.test", how);
  open_three (h);
  harness_say (h, SAY_BODY);
  harness_pass_time (h, 11 * 60 * 1000);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "250 2.0.0 up ok\n451 4."));
  g_assert_nonnull (strstr (strstr (heard, "451 4.") + 1, "451 4.4.2"));
  g_assert_cmpstr (h->outcome, ==, "partial");
  g_assert_cmpuint (h->dropped, ==, 1);
  g_assert_cmpuint (taken (h, "a@client.test d@up.test"), ==, 0);
}

static void
test_lost_before (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "END", "close");
  open_three (h);
  harness_say (h, SAY_BODY);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "451 4.4.2"));
  g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 4);
  g_assert_cmpstr (h->outcome, ==, "deferred");
}

/* The client leaves behind the first answer: the others are still awaited, for the log. */
static void
test_client_gone_midway (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "END c@up.test", "stall");
  open_three (h);
  harness_say (h, SAY_BODY);
  gateway_session_client_gone (h->session);
  g_assert_false (gateway_session_is_over (h->session));
  harness_upstream_answers (h, "250 2.0.0 c");
  harness_upstream_answers (h, "250 2.0.0 d");
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpstr (h->outcome, ==, "sent");
}

static void
test_client_gone_before (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  open_three (h);
  h->gone = TRUE;
  harness_say (h, SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_cmpstr (h->outcome, ==, "client-gone");
}

static void
test_data_refused (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "DATA", "451 4.3.0 not now");
  open_three (h);
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "451 4.3.0 not now\n451 4.3.0 not now\n451 4.3.0 not now\n");
}

static void
test_other_route (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_say (h, SAY_MAIL SAY_B "RCPT TO:<x@other.test>\n" SAY_C "DATA\n" SAY_BODY);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "452 4.5.3 Recipient is routed elsewhere"));
  g_assert_true (g_str_has_suffix (heard, "250 2.0.0 up ok\n250 2.0.0 up ok\n"));
}

/* ---- By BDAT ---- */

static void
test_chunks (gconstpointer offered)
{
  g_autoptr (Harness) h = harness_new (LMTP TO_LMTP, NULL, 0, 0);
  h->capabilities.flags |= offered != NULL ? SMTP_CAP_CHUNKING : 0;
  harness_greet (h);
  harness_script (h, "END c@up.test", "452 4.2.2 full");
  harness_say (h, SAY_MAIL SAY_B SAY_C "BDAT 6\nA: b\n");
  g_free (harness_heard (h));
  harness_say (h, "BDAT 5 LAST\n\nx\n");
  harness_assert_heard (h, "250 2.0.0 up ok\n452 4.2.2 full\n");
  g_assert_true (strstr (h->commands->str, offered != NULL ? "BDAT" : "DATA") != NULL);
}

static void
test_chunks_empty (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  harness_script (h, "RCPT b@up.test", "550 5.1.1 no");
  harness_say (h, SAY_MAIL SAY_B "BDAT 3 LAST\nx\nNOOP\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "550 5.1.1 no\n"));
  g_assert_true (g_str_has_suffix (heard, "250 2.0.0 Ok\n"));
}

/* ---- On a UNIX socket ---- */

static void
test_socket (void)
{
  const gchar *config = LISTENER (
      "lmtp", "") "route \"up\" { to = [\"lmtp:/run/x\"] xforward = true }\n"
                  "route \"other\" { for = [\"other.test\"] to = [\"smtp://127.0.0.1:26\"] }\n";
  g_autoptr (Harness) h = harness_new_for (config, NULL, 0, "/run/client", GATEWAY_CLIENT_ITSELF);
  h->capabilities.flags |= SMTP_CAP_XFORWARD;
  harness_greet (h);
  harness_say (h, SAY_MAIL SAY_B "DATA\n" SAY_BODY);
  g_assert_true (g_str_has_prefix (h->message->str, "Received: from client.test (local socket)\r\n"
                                                    "\tby mx.test (Mailweir) with LMTP id "));
  g_assert_nonnull (strstr (h->commands->str, "ADDR=[UNAVAILABLE] "));
  g_assert_nonnull (strstr (h->commands->str, "PROTO=LMTP"));
}

/* ---- From LMTP elsewhere: one answer for each ---- */

static void
test_to_smtp (void)
{
  g_autoptr (Harness) h = begin (LMTP ROUTES ("smtp://127.0.0.1:25"));
  harness_script (h, "END", "452 4.3.1 later");
  open_three (h);
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "452 4.3.1 later\n452 4.3.1 later\n452 4.3.1 later\n");
  g_assert_cmpstr (h->outcome, ==, "deferred");
}

static void
test_to_maildir (void)
{
  g_autoptr (Harness) h = begin (LMTP ROUTES ("maildir:/nowhere"));
  open_three (h);
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 Ok: stored as NAME\n250 2.0.0 Ok: stored as NAME\n"
                           "250 2.0.0 Ok: stored as NAME\n");
}

static void
test_to_nowhere (void)
{
  g_autoptr (Harness) h = begin (LMTP ROUTES ("discard:"));
  open_three (h);
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 Ok\n250 2.0.0 Ok\n250 2.0.0 Ok\n");
}

static void
test_fault (void)
{
  g_autoptr (Harness) h = begin (LMTP TO_LMTP);
  open_three (h);
  harness_say_bytes (h, "a\nb\r\n.\r\n", 9);
  g_autofree gchar *heard = harness_heard (h);
  g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 4);
  for (guint i = 0; i < 3; i++)
    g_assert_true (g_str_has_prefix (lines[i], "550 5.6.11"));
}

/* ---- Filters ---- */

static gboolean
refuse (Harness *h, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (554, 5, 7, 1, "no such mail");
  return TRUE;
}

static gboolean
discard (Harness *h, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_DISCARD;
  return TRUE;
}

static gboolean
dies (Harness *h, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return FALSE;
}

static gboolean
says_other_words (Harness *h, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (250, 2, 6, 0, "seen");
  return TRUE;
}

/* b stays, c becomes x, d is removed. */
static gboolean
readdress (Harness *h, const IpcRequest *request, guint filter, IpcRecord *record)
{
  const gchar *addresses = h->data != NULL ? h->data : "b@up.test x@up.test";
  g_auto (GStrv) list = g_strsplit (addresses, " ", -1);
  record->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  for (guint i = 0; list[i] != NULL; i++)
    g_ptr_array_add (record->recipients, base_path_new (list[i], NULL));
  return TRUE;
}

#define WITH_FILTER(protocol) LISTENER (protocol, "filters = [\"one\"]") FILTER TO_LMTP

typedef struct
{
  HarnessFilter filter;
  const gchar *heard;
} Verdict;

static const Verdict verdicts[]
    = { { refuse, "554 5.7.1 no such mail\n554 5.7.1 no such mail\n554 5.7.1 no such mail\n" },
        { discard, "250 2.0.0 Ok\n250 2.0.0 Ok\n250 2.0.0 Ok\n" },
        { dies, NULL },
        { says_other_words, "250 2.6.0 seen\n452 4.2.2 full\n250 2.6.0 seen\n" } };

static void
test_verdict (gconstpointer data)
{
  const Verdict *verdict = data;
  g_autoptr (Harness) h = begin_filtered (WITH_FILTER ("lmtp"), verdict->filter);
  harness_script (h, "END c@up.test", "452 4.2.2 full");
  open_three (h);
  harness_say (h, SAY_BODY);
  if (verdict->heard != NULL)
    {
      harness_assert_heard (h, verdict->heard);
      return;
    }
  g_autofree gchar *heard = harness_heard (h);
  g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 4);
  for (guint i = 0; i < 3; i++)
    g_assert_true (g_str_has_prefix (lines[i], "451 4.3.0"));
}

static void
test_readdressed (void)
{
  g_autoptr (Harness) h = begin_filtered (WITH_FILTER ("lmtp"), readdress);
  harness_script (h, "END x@up.test", "552 5.2.2 x is full");
  open_three (h);
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 up ok\n552 5.2.2 x is full\n250 2.0.0 Ok\n");
}

/* One more than there are answers. */
static void
test_added (gconstpointer addresses)
{
  g_autoptr (Harness) h = begin_filtered (WITH_FILTER ("lmtp"), readdress);
  h->data = (gpointer) addresses;
  open_three (h);
  harness_say (h, SAY_BODY);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "451 4.3.0 A filter added a recipient"));
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_added_in_smtp (void)
{
  g_autoptr (Harness) h = begin_filtered (WITH_FILTER ("smtp"), readdress);
  harness_say (h, SAY_MAIL SAY_B "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.3.0 A filter added a recipient");
  g_assert_cmpuint (h->messages, ==, 0);
}

/* ---- Whatever happens ---- */

static const gchar *const ends[]
    = { NULL, NULL, "452 4.2.2 full", "550 5.0.0 no", "close", "lose", "stall", "421 4.3.2 bye" };
static const gchar *const names[] = { "b", "c", "d" };

/* Whoever heard 250 has it once; whoever was refused has it only where the answer was lost. */
static void
check_fates (Harness *h, const gchar *heard)
{
  g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
  if (g_strv_length (lines) != G_N_ELEMENTS (names) + 1)
    g_error ("not an answer for each: %s", heard);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *whose = g_strdup_printf ("a@client.test %s@up.test", names[i]);
      g_autofree gchar *key = g_strdup_printf ("END %s@up.test", names[i]);
      gboolean lost = g_strcmp0 (g_hash_table_lookup (h->script, key), "lose") == 0;
      gboolean accepted = g_str_has_prefix (lines[i], "250");
      if (accepted || !lost)
        g_assert_cmpuint (taken (h, whose), ==, accepted);
    }
}

static void
test_random (void)
{
  for (guint run = 0; run < 400; run++)
    {
      gboolean filtered = g_test_rand_bit ();
      g_autoptr (Harness) h = filtered ? begin_filtered (WITH_FILTER ("lmtp"), says_other_words)
                                       : begin (LMTP TO_LMTP);
      for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        {
          g_autofree gchar *key = g_strdup_printf ("END %s@up.test", names[i]);
          const gchar *end = ends[g_test_rand_int_range (0, G_N_ELEMENTS (ends))];
          if (end != NULL)
            harness_script (h, key, end);
        }
      open_three (h);
      h->choke = g_test_rand_bit () ? 0 : g_test_rand_int_range (1, 50);
      if (g_test_rand_bit ())
        harness_say_bytewise (h, SAY_BODY);
      else
        harness_say (h, SAY_BODY);
      for (guint i = 0; i < 600; i++)
        harness_move (h);
      harness_pass_time (h, 60 * 60 * 1000);
      g_autofree gchar *heard = harness_heard (h);
      gchar *idle = strstr (heard, "421 4.4.2 mx.test idle");
      if (idle != NULL)
        *idle = '\0';
      check_fates (h, heard);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gateway/lmtp/verbs", test_verbs);
  g_test_add_func ("/gateway/lmtp/lhlo-in-smtp", test_lhlo_in_smtp);
  g_test_add_func ("/gateway/lmtp/alone", test_alone);
  g_test_add_func ("/gateway/lmtp/alone-after-refusal", test_alone_after_refusal);
  g_test_add_func ("/gateway/lmtp/alone-refused", test_alone_refused);
  g_test_add_data_func ("/gateway/lmtp/each", NULL, test_each);
  g_test_add_data_func ("/gateway/lmtp/each-bytewise", "", test_each);
  g_test_add_func ("/gateway/lmtp/refused-at-rcpt", test_refused_at_rcpt);
  g_test_add_func ("/gateway/lmtp/as-they-come", test_as_they_come);
  g_test_add_data_func ("/gateway/lmtp/closed-midway", "close", test_lost_midway);
  g_test_add_data_func ("/gateway/lmtp/lost-midway", "lose", test_lost_midway);
  g_test_add_data_func ("/gateway/lmtp/silent-midway", "stall", test_lost_midway);
  g_test_add_data_func ("/gateway/lmtp/421-midway", "421 4.3.2 bye", test_lost_midway);
  g_test_add_func ("/gateway/lmtp/lost-before", test_lost_before);
  g_test_add_func ("/gateway/lmtp/client-gone-midway", test_client_gone_midway);
  g_test_add_func ("/gateway/lmtp/client-gone-before", test_client_gone_before);
  g_test_add_func ("/gateway/lmtp/data-refused", test_data_refused);
  g_test_add_func ("/gateway/lmtp/other-route", test_other_route);
  g_test_add_data_func ("/gateway/lmtp/chunks", "offered", test_chunks);
  g_test_add_data_func ("/gateway/lmtp/chunks-as-data", NULL, test_chunks);
  g_test_add_func ("/gateway/lmtp/chunks-without-recipient", test_chunks_empty);
  g_test_add_func ("/gateway/lmtp/socket", test_socket);
  g_test_add_func ("/gateway/lmtp/to-smtp", test_to_smtp);
  g_test_add_func ("/gateway/lmtp/to-maildir", test_to_maildir);
  g_test_add_func ("/gateway/lmtp/to-nowhere", test_to_nowhere);
  g_test_add_func ("/gateway/lmtp/fault", test_fault);
  g_test_add_data_func ("/gateway/lmtp/filter-refuses", &verdicts[0], test_verdict);
  g_test_add_data_func ("/gateway/lmtp/filter-discards", &verdicts[1], test_verdict);
  g_test_add_data_func ("/gateway/lmtp/filter-dies", &verdicts[2], test_verdict);
  g_test_add_data_func ("/gateway/lmtp/filter-says", &verdicts[3], test_verdict);
  g_test_add_func ("/gateway/lmtp/readdressed", test_readdressed);
  g_test_add_data_func ("/gateway/lmtp/added", "b@up.test c@up.test d@up.test x@up.test",
                        test_added);
  g_test_add_data_func ("/gateway/lmtp/doubled", "b@up.test c@up.test d@up.test b@up.test",
                        test_added);
  g_test_add_func ("/gateway/lmtp/added-in-smtp", test_added_in_smtp);
  g_test_add_func ("/gateway/lmtp/random", test_random);
  return g_test_run ();
}
