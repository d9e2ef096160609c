/* The message's own way: streamed, stored, too long, set aside, edited; and who is told what. */
#include "harness.h"

#include <string.h>

#include "base/log.h"
#include "message/headers.h"

#define BIT(name) IPC_HOOK_BIT (IPC_HOOK_##name)
#define LIMITED                                                                                    \
  "hostname = \"mx.test\"\nquarantine = \"/nowhere\"\nmessage-size = 1M\n"                         \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\", \"box\"] filters = [\"f\"] }\n" \
  "route \"up\" { for = [\"up.test\"] to = [\"smtp://127.0.0.1:25\"] }\n"                          \
  "route \"box\" { for = [\"box.test\"] to = [\"maildir:/nowhere\"] }\n"                           \
  "filter \"f\" { module = \"x\" }\n"

static gboolean
pass (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return TRUE;
}

static Harness *
limited (guint32 hooks, const gchar *more, HarnessFilter filter)
{
  g_autofree gchar *text = g_strconcat (LIMITED, more, NULL);
  Harness *h = harness_new (text, &hooks, 1, IPC_EDIT_RECIPIENTS | IPC_EDIT_HEADERS);
  h->filter = filter;
  harness_move (h);
  harness_greet (h);
  return h;
}

static gchar *
lines (guint count, const gchar *line)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < count; i++)
    g_string_append (text, line);
  return g_string_free (text, FALSE);
}

/* ---- The bytes ---- */

/* Whatever the machines kept, borrowed and copied on the way. */
static void
test_bytes_are_the_same (gconstpointer hooks)
{
  g_autoptr (Harness) h = limited (GPOINTER_TO_UINT (hooks), "", pass);
  g_autofree gchar *body = lines (1500, "..a line of some length with its dot stuffed\n");
  g_autofree gchar *rest = lines (1500, "a line of some length that needs no stuffing\n");
  g_autofree gchar *all
      = g_strconcat (SAY_MAIL SAY_RCPT "DATA\nSubject: x\n\n", body, rest, "cut", NULL);
  harness_say (h, all);
  harness_say (h, " here\n.\n");
  g_assert_cmpuint (h->messages, ==, 1);
  g_autofree gchar *plain = lines (1500, ".a line of some length with its dot stuffed\r\n");
  g_autofree gchar *rest_plain = lines (1500, "a line of some length that needs no stuffing\r\n");
  g_autofree gchar *expected
      = g_strconcat ("Subject: x\r\n\r\n", plain, rest_plain, "cut here\r\n", NULL);
  g_assert_cmpstr (harness_behind_received (h), ==, expected);
}

/* What came while the upstream thought about DATA stands in the machine's own memory, which goes
 * before it is written. */
static void
test_kept_bytes_are_not_borrowed (void)
{
  g_autoptr (Harness) h = limited (0, "", NULL);
  g_autofree gchar *body = lines (200, "a line of some length that needs no stuffing\n");
  harness_script (h, "DATA", "stall");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\nSubject: x\n\n");
  harness_say (h, body);
  harness_say (h, "cut");
  harness_upstream_answers (h, "354 go on");
  harness_say (h, " here\n.\n");
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_true (g_str_has_suffix (h->message->str, "no stuffing\r\ncut here\r\n"));
}

static void
test_nul_in_body_passes (gconstpointer hooks)
{
  g_autoptr (Harness) h = limited (GPOINTER_TO_UINT (hooks), "", pass);
  const gchar wire[] = "Subject: x\r\n\r\na\0b\377\r\n.\r\n";
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  harness_say_bytes (h, wire, sizeof wire - 1);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_nonnull (memmem (h->message->str, h->message->len, "a\0b\377\r\n", 6));
}

/* ---- Limits ---- */

static void
say_long_header (Harness *h)
{
  g_autofree gchar *header = lines (5000, "X-Filler: a field of some fifty octets, again.....\n");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, header);
  harness_say (h, "\nbody\n.\n");
}

static void
test_long_header_that_nobody_reads_passes (void)
{
  g_autoptr (Harness) h = limited (BIT (MAIL), "limits { header-block = 100K }\n", pass);
  say_long_header (h);
  harness_assert_code (h, "250");
  g_assert_cmpuint (strlen (harness_behind_received (h)), ==, 5000 * 52 + 8);
}

static void
test_long_header_is_refused (void)
{
  g_autoptr (Harness) h = limited (BIT (END_OF_HEADERS), "limits { header-block = 100K }\n", pass);
  say_long_header (h);
  harness_assert_code (h, "552 5.3.4");
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_long_header_passes_where_configured (void)
{
  g_autoptr (Harness) h = limited (BIT (END_OF_HEADERS),
                                   "limits { header-block = 100K over-limit = \"pass\" }\n", pass);
  say_long_header (h);
  harness_assert_code (h, "250");
  g_assert_cmpuint (strlen (harness_behind_received (h)), ==, 5000 * 52 + 8);
}

static void
test_message_too_big_in_fact (gconstpointer hooks)
{
  g_autoptr (Harness) h = limited (GPOINTER_TO_UINT (hooks), "", pass);
  g_autofree gchar *body = lines (22000, "a field of some fifty octets, once more and again\n");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\nSubject: x\n\n");
  g_free (harness_heard (h));
  harness_say (h, body);
  harness_say (h, ".\n");
  harness_assert_code (h, "552 5.3.4");
  g_assert_cmpuint (h->messages, ==, 0);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
}

/* ---- The client leaves ---- */

static void
test_client_is_looked_at_before_a_stored_messages_dot (void)
{
  g_autoptr (Harness) h = limited (BIT (END_OF_MESSAGE), "", NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  h->gone = TRUE;
  harness_answer_request (h, pass);
  harness_move (h);
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_client_is_looked_at_before_storing (void)
{
  g_autoptr (Harness) h = limited (BIT (END_OF_MESSAGE), "", NULL);
  harness_say (h, SAY_MAIL "RCPT TO:<b@box.test>\nDATA\n" SAY_BODY);
  h->gone = TRUE;
  harness_answer_request (h, pass);
  harness_move (h);
  g_assert_cmpuint (h->stored->len, ==, 0);
  g_assert_true (gateway_session_is_over (h->session));
}

/* ---- Maildir ---- */

static void
test_stored_before_250 (void)
{
  g_autoptr (Harness) h = limited (0, "", NULL);
  h->store_later = TRUE;
  harness_say (h, SAY_MAIL "RCPT TO:<b@box.test>\nDATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "");
  g_assert_true (gateway_session_is_final (h->session));
  harness_disk_is_done (h);
  harness_move (h);
  harness_assert_heard (h, "250 2.0.0 Ok: stored as NAME\n");
  g_assert_cmpuint (h->stored->len, ==, 1);
}

static void
test_disk_full (void)
{
  g_autoptr (Harness) h = limited (0, "", NULL);
  h->disk_error = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "full");
  harness_say (h, SAY_MAIL "RCPT TO:<b@box.test>\nDATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "452 4.3.1");
}

/* ---- Set aside ---- */

static gboolean
quarantine_once (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  guint *asked = harness->data;
  (*asked)++;
  record->verdict = IPC_VERDICT_QUARANTINE;
  record->reason = g_strdup ("odd");
  return TRUE;
}

static void
test_nobody_is_asked_behind_a_quarantine (gconstpointer first)
{
  guint asked = 0;
  guint32 all = BIT (RCPT) | BIT (DATA) | BIT (END_OF_HEADERS) | BIT (END_OF_MESSAGE);
  g_autoptr (Harness) h
      = limited (all | IPC_HOOK_BIT (GPOINTER_TO_UINT (first)), "", quarantine_once);
  h->data = &asked;
  harness_say (h, SAY_MAIL SAY_RCPT "RCPT TO:<c@box.test>\nRCPT TO:<d@none.test>\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_cmpstr (heard, ==,
                   "250 2.1.0 Sender <a@client.test> ok\n"
                   "250 2.1.5 Recipient <b@up.test> ok\n250 2.1.5 Recipient <c@box.test> ok\n"
                   "554 5.7.1 Relay access denied\n");
  harness_say (h, "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "250");
  g_assert_cmpuint (asked, ==, 1);
  g_assert_cmpuint (h->stored->len, ==, 1);
  g_assert_cmpuint (h->connections, ==, 0);
}

static void
test_quarantine_without_a_place_is_451 (void)
{
  guint asked = 0;
  guint32 hooks = BIT (END_OF_MESSAGE);
  g_autoptr (Harness) h
      = harness_new ("listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = "
                     "[\"f\"] }\nroute \"up\" { to = [\"discard:\"] }\nfilter \"f\" { module = "
                     "\"x\" }\nhostname = \"mx.test\"\n",
                     &hooks, 1, 0);
  h->data = &asked;
  h->filter = quarantine_once;
  harness_greet (h);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.3.5");
}

static void
test_quarantine_may_be_a_refusal (void)
{
  guint asked = 0;
  g_autoptr (Harness) h
      = limited (BIT (END_OF_MESSAGE), "quarantine-reply = \"reject\"\n", quarantine_once);
  h->data = &asked;
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "550 5.7.1");
  g_assert_cmpuint (h->stored->len, ==, 1);
}

/* ---- The envelope ---- */

static gboolean
remove_all (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  return TRUE;
}

static gboolean
add_elsewhere (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  remove_all (harness, request, filter, record);
  g_ptr_array_add (record->recipients, base_path_new ("b@up.test", NULL));
  g_ptr_array_add (record->recipients, base_path_new ("c@box.test", NULL));
  return TRUE;
}

static gboolean
add_with_bad_parameter (Harness *harness, const IpcRequest *request, guint filter,
                        IpcRecord *record)
{
  const gchar *const parameters[] = { "NOTIFY=NEVER\r\nDATA", NULL };
  remove_all (harness, request, filter, record);
  g_ptr_array_add (record->recipients, base_path_new ("b@up.test", parameters));
  return TRUE;
}

static void
test_message_without_recipients_goes_nowhere (gconstpointer hook)
{
  g_autoptr (Harness) h = limited (IPC_HOOK_BIT (GPOINTER_TO_UINT (hook)), "", remove_all);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "250");
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_cmpuint (h->given_back, ==, 1);
}

static void
test_recipient_that_can_not_be_added (gconstpointer filter)
{
  g_autoptr (Harness) h = limited (BIT (END_OF_MESSAGE), "", *(const HarnessFilter *) filter);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.3.0");
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_postmaster_is_ours (void)
{
  g_autoptr (Harness) h = limited (0, "", NULL);
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<Postmaster>\n");
  harness_assert_code (h, "250");
  g_assert_cmpstr (h->routes->pdata[0], ==, "up");
}

/* Our own field must not make fields of lines that the filters have seen as the body. */
static void
test_message_without_header (gconstpointer first_line)
{
  g_autoptr (Harness) h = harness_plain ();
  g_autofree gchar *text
      = g_strdup_printf ("%s\nX-Internal-Auth: yes\n\nbody\n.\n", (const gchar *) first_line);
  g_autofree gchar *expected = g_strdup_printf ("\r\n%s\r\nX-Internal-Auth: yes\r\n\r\nbody\r\n",
                                                (const gchar *) first_line);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  harness_say (h, text);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (harness_behind_received (h), ==, expected);
}

/* ---- Headers that readers read differently ---- */

static const struct
{
  const gchar *name, *sent, *expected;
} malformed[] = {
  { "cut", "A: b\nno field\nX-Auth: yes\n\nbody\n",
    "A: b\r\n\r\nno field\r\nX-Auth: yes\r\n\r\nbody\r\n" },
  { "colon", "A: b\n: c\nX-Auth: yes\n\nbody\n", "A: b\r\n\r\n: c\r\nX-Auth: yes\r\n\r\nbody\r\n" },
  { "beyond-ascii", "A: b\nX\xc3\xa9: c\n\nbody\n", "A: b\r\n\r\nX\xc3\xa9: c\r\n\r\nbody\r\n" },
  { "blanks", "A \t: b\n  c\nD : e\n\nbody : x\n", "A: b\r\n  c\r\nD: e\r\n\r\nbody : x\r\n" },
  { "both", "A : b\nno field\n", "A: b\r\n\r\nno field\r\n" },
  { "last", "A: b\n", "A: b\r\n" },
};

/* The request leads to what goes out: the filter has seen it, and adds a field to it. */
static gboolean
add_field_behind (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  g_autoptr (GBytes) text = g_bytes_new_static ("X-Seen: 1\r\n", 11);
  MessageSource source = { 0 };
  if (request->message == NULL)
    return TRUE;
  source = message_source_from_memory (g_bytes_get_data (request->message, NULL),
                                       g_bytes_get_size (request->message));
  g_autoptr (GBytes) seen = message_edits_apply (request->edits, &source, NULL);
  gsize size = g_bytes_get_size (seen);
  g_autoptr (MessageHeaders) headers
      = message_headers_scan (g_bytes_get_data (seen, NULL), size, TRUE);
  g_assert_false (message_headers_is_cut (headers));
  record->edits = message_edits_new ();
  message_edits_add (record->edits, message_headers_end (headers), 0, text);
  return TRUE;
}

static void
test_malformed_header_is_mended (gconstpointer hooks)
{
  for (guint i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autoptr (Harness) h
          = limited (GPOINTER_TO_UINT (hooks), "", hooks == NULL ? pass : add_field_behind);
      g_autofree gchar *text = g_strconcat (malformed[i].sent, ".\n", NULL);
      g_autofree gchar *expected = g_strdup (malformed[i].expected);
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
      harness_say (h, text);
      g_assert_cmpuint (h->messages, ==, 1);
      if (hooks != NULL)
        {
          const gchar *blank = strstr (malformed[i].expected, "\r\n\r\n");
          gsize fields
              = blank == NULL ? strlen (expected) : (gsize) (blank + 2 - malformed[i].expected);
          g_free (expected);
          expected = g_strdup_printf ("%.*sX-Seen: 1\r\n%s", (int) fields, malformed[i].expected,
                                      malformed[i].expected + fields);
        }
      g_assert_cmpstr (harness_behind_received (h), ==, expected);
    }
}

static void
test_malformed_header_is_refused (gconstpointer hooks)
{
  for (guint i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_autoptr (Harness) h
          = limited (GPOINTER_TO_UINT (hooks), "limits { malformed-header = \"reject\" }\n", pass);
      g_autofree gchar *text = g_strconcat (malformed[i].sent, ".\n", NULL);
      gboolean fine = strcmp (malformed[i].name, "last") == 0;
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
      g_free (harness_heard (h));
      harness_say (h, text);
      harness_assert_code (h, fine ? "250" : "550 5.6.0");
      g_assert_cmpuint (h->messages, ==, fine ? 1 : 0);
    }
}

/* The limit of what is mended, and one more. */
static void
test_too_much_to_mend (gconstpointer hooks)
{
  for (guint more = 0; more < 2; more++)
    {
      g_autoptr (Harness) h = limited (GPOINTER_TO_UINT (hooks), "", pass);
      g_autofree gchar *fields = lines (1000 + more, "A : b\n");
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
      g_free (harness_heard (h));
      harness_say (h, fields);
      harness_say (h, "\nbody\n.\n");
      harness_assert_code (h, more == 0 ? "250" : "550 5.6.0");
    }
}

/* Behind the limit of a header that nobody parses, all is the body. */
static void
test_long_line_without_a_field (void)
{
  g_autoptr (Harness) h = limited (BIT (MAIL), "limits { header-block = 1K }\n", pass);
  g_autofree gchar *line = g_strnfill (3000, 'a');
  g_autofree gchar *text = g_strconcat (line, "\n.\n", NULL);
  g_autofree gchar *expected = g_strconcat ("\r\n", line, "\r\n", NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  harness_say (h, text);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (harness_behind_received (h), ==, expected);
}

static void
test_nul_in_header_is_refused (gconstpointer hooks)
{
  static const gchar *const names[]
      = { "A: b\r\nC!: d\r\n\r\n.\r\n", "A: b\r\nC: d!\r\n\r\n.\r\n" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (Harness) h = limited (GPOINTER_TO_UINT (hooks), "", pass);
      g_autofree gchar *wire = g_strdup (names[i]);
      gsize length = strlen (wire);
      *strchr (wire, '!') = '\0';
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
      g_free (harness_heard (h));
      harness_say_bytes (h, wire, length);
      harness_assert_code (h, "550 5.6.0");
      g_assert_cmpuint (h->messages, ==, 0);
    }
}

int
main (int argc, char **argv)
{
  static const HarnessFilter elsewhere = add_elsewhere, bad = add_with_bad_parameter;
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  static const struct
  {
    const gchar *name;
    guint32 hooks;
  } ways[] = { { "empty", 0 }, { "headers", BIT (END_OF_HEADERS) }, { "stored", BIT (BODY) } };
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      gpointer hooks = GUINT_TO_POINTER (ways[i].hooks);
      g_autofree gchar *bytes = g_strconcat ("/data/bytes/", ways[i].name, NULL);
      g_autofree gchar *nul = g_strconcat ("/data/nul/", ways[i].name, NULL);
      g_autofree gchar *big = g_strconcat ("/data/too-big/", ways[i].name, NULL);
      g_test_add_data_func (bytes, hooks, test_bytes_are_the_same);
      g_test_add_data_func (nul, hooks, test_nul_in_body_passes);
      g_autofree gchar *mended = g_strconcat ("/data/malformed/mended/", ways[i].name, NULL);
      g_autofree gchar *refused = g_strconcat ("/data/malformed/refused/", ways[i].name, NULL);
      g_autofree gchar *many = g_strconcat ("/data/malformed/too-many/", ways[i].name, NULL);
      g_autofree gchar *header = g_strconcat ("/data/malformed/nul/", ways[i].name, NULL);
      g_test_add_data_func (big, hooks, test_message_too_big_in_fact);
      g_test_add_data_func (mended, hooks, test_malformed_header_is_mended);
      g_test_add_data_func (refused, hooks, test_malformed_header_is_refused);
      g_test_add_data_func (many, hooks, test_too_much_to_mend);
      g_test_add_data_func (header, hooks, test_nul_in_header_is_refused);
    }
  g_test_add_func ("/data/malformed/long-line", test_long_line_without_a_field);
  g_test_add_func ("/data/bytes/kept", test_kept_bytes_are_not_borrowed);
  g_test_add_func ("/data/header/unread", test_long_header_that_nobody_reads_passes);
  g_test_add_func ("/data/header/refused", test_long_header_is_refused);
  g_test_add_func ("/data/header/passed", test_long_header_passes_where_configured);
  g_test_add_func ("/data/gone/dot", test_client_is_looked_at_before_a_stored_messages_dot);
  g_test_add_func ("/data/gone/storing", test_client_is_looked_at_before_storing);
  g_test_add_func ("/data/maildir/stored", test_stored_before_250);
  g_test_add_func ("/data/maildir/full", test_disk_full);
  g_test_add_data_func ("/data/quarantine/mail", GUINT_TO_POINTER (IPC_HOOK_MAIL),
                        test_nobody_is_asked_behind_a_quarantine);
  g_test_add_data_func ("/data/quarantine/rcpt", GUINT_TO_POINTER (IPC_HOOK_RCPT),
                        test_nobody_is_asked_behind_a_quarantine);
  g_test_add_func ("/data/quarantine/nowhere", test_quarantine_without_a_place_is_451);
  g_test_add_func ("/data/quarantine/rejects", test_quarantine_may_be_a_refusal);
  g_test_add_data_func ("/data/recipients/none/headers", GUINT_TO_POINTER (IPC_HOOK_END_OF_HEADERS),
                        test_message_without_recipients_goes_nowhere);
  g_test_add_data_func ("/data/recipients/none/message", GUINT_TO_POINTER (IPC_HOOK_END_OF_MESSAGE),
                        test_message_without_recipients_goes_nowhere);
  g_test_add_data_func ("/data/recipients/none/data", GUINT_TO_POINTER (IPC_HOOK_DATA),
                        test_message_without_recipients_goes_nowhere);
  g_test_add_data_func ("/data/recipients/elsewhere", &elsewhere,
                        test_recipient_that_can_not_be_added);
  g_test_add_data_func ("/data/recipients/bad", &bad, test_recipient_that_can_not_be_added);
  g_test_add_func ("/data/postmaster", test_postmaster_is_ours);
  g_test_add_data_func ("/gateway/data/headless/space", " x", test_message_without_header);
  g_test_add_data_func ("/gateway/data/headless/mbox", "From me Mon", test_message_without_header);
  g_test_add_data_func ("/gateway/data/headless/colon", ": x", test_message_without_header);
  g_test_add_data_func ("/gateway/data/headless/words", "hello world", test_message_without_header);
  return g_test_run ();
}
