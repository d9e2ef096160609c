/* Filters that are asked only if their conditions hold: no request for those that are not
 * concerned, notes that decide in the middle of a chain, recipients split into transactions. */
#include "harness.h"

#include <string.h>

#define BIT(name) IPC_HOOK_BIT (IPC_HOOK_##name)

/* A chain of up to two filters with these conditions; each request is answered by `filter`. */
static Harness *
conditional (const gchar *one, guint32 one_hooks, const gchar *two, guint32 two_hooks,
             HarnessFilter filter)
{
  guint32 hooks[2] = { one_hooks, two_hooks };
  g_autofree gchar *config = g_strdup_printf (
      "hostname = \"mx.test\"\n"
      "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = [\"one\", "
      "\"two\"] }\n"
      "route \"up\" { to = [\"smtp://127.0.0.1:25\"] }\n"
      "filter \"one\" { module = \"m\" only-if = [%s] }\n"
      "filter \"two\" { module = \"m\" only-if = [%s] }\n",
      one, two);
  Harness *h = harness_new (config, hooks, 2, 0);
  h->filter = filter;
  harness_greet (h);
  return h;
}

/* Which filters were asked, as digits in the test's string. */
static gboolean
note_asked (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (harness->data != NULL && !ipc_hook_is_over (request->hook))
    g_string_append_printf (harness->data, "%u", filter + 1);
  return TRUE;
}

static void
expect_asked (const gchar *one, const gchar *two, const gchar *asked, gboolean spooled)
{
  guint32 hooks = BIT (MAIL) | BIT (RCPT) | BIT (END_OF_MESSAGE) | BIT (MESSAGE_OVER);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (Harness) h = conditional (one, hooks, two, hooks, note_asked);
  guint before = h->requests;
  h->data = text;
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\nSubject: hi\n\nhello\n");
  /* cut-through: the body is on its way upstream before the final dot */
  g_assert_cmpint (strstr (h->commands->str, "DATA") == NULL, ==, spooled);
  harness_say (h, ".\n");
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (text->str, ==, asked);
  if (*asked == '\0')
    g_assert_cmpuint (h->requests, ==, before);
}

static void
test_who_is_asked (void)
{
  expect_asked ("", "", "121212", TRUE);
  expect_asked ("\"listener in\"", "\"not listener in\"", "111", TRUE);
  expect_asked ("\"client 10.0.0.0/8\"", "\"user *\"", "", FALSE);
  expect_asked ("\"not client 10.0.0.0/8\"", "\"user *\"", "111", TRUE);
  expect_asked ("\"sender *@client.test\"", "\"sender <>\"", "111", TRUE);
  /* nobody knows the recipient at MAIL */
  expect_asked ("\"recipient *@up.test\"", "\"not recipient *@up.test\"", "11", TRUE);
  expect_asked ("\"not recipient x@*\"", "\"sender *\", \"recipient x@*\"", "11", TRUE);
  expect_asked ("\"sender <>\"", "\"sender *@other.test\"", "", FALSE);
  expect_asked ("\"note x\"", "\"not note x\"", "222", TRUE);
}

/* The balancer's address is not the client's: what spares one does not spare the other. */
static void
test_hidden_client (void)
{
  const guint32 hooks[2] = { BIT (MAIL), BIT (MAIL) };
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (Harness) h = harness_new_for (
      "hostname = \"mx.test\"\n"
      "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = [\"one\", "
      "\"two\"] }\n"
      "route \"up\" { to = [\"smtp://127.0.0.1:25\"] }\n"
      "filter \"one\" { module = \"m\" only-if = [\"client 127.0.0.0/8\"] }\n"
      "filter \"two\" { module = \"m\" only-if = [\"not client 127.0.0.0/8\"] }\n",
      hooks, 2, "127.0.0.9:1", GATEWAY_CLIENT_HIDDEN);
  h->filter = note_asked;
  h->data = text;
  harness_greet (h);
  harness_say (h, SAY_MAIL);
  g_assert_cmpstr (text->str, ==, "2");
}

/* ---- Notes ---- */

/* The first filter writes a note at the end of headers. */
static gboolean
write_note (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (filter == 0 && request->hook == IPC_HOOK_END_OF_HEADERS)
    {
      IpcNote *note = g_new0 (IpcNote, 1);
      note->name = g_strdup ("spam");
      note->value = g_strdup (harness->data != NULL ? "yes" : "no");
      record->notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);
      g_ptr_array_add (record->notes, note);
    }
  if (filter == 1)
    {
      record->verdict = IPC_VERDICT_REPLY;
      record->reply = base_reply_new (550, 5, 7, 1, "spam");
    }
  return TRUE;
}

static void
test_note_of_an_earlier_filter (void)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (Harness) h = conditional ("", BIT (END_OF_HEADERS), "\"note spam=yes\"",
                                           BIT (END_OF_HEADERS), write_note);
      guint before = h->requests;
      h->data = i == 0 ? NULL : h;
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
      g_free (harness_heard (h));
      harness_say (h, SAY_BODY);
      harness_assert_code (h, i == 0 ? "250" : "550 5.7.1 spam");
      g_assert_cmpuint (h->requests - before, ==, i + 1);
      g_assert_cmpuint (h->messages, ==, 1 - i);
    }
}

/* The sender that an earlier filter has set is the one that counts behind it. */
static gboolean
change_sender (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (filter == 0)
    record->sender = base_path_new ("bulk@other.test", NULL);
  return write_note (harness, request, filter, record);
}

static void
test_sender_of_an_earlier_filter (void)
{
  guint32 hooks[2] = { BIT (END_OF_HEADERS), BIT (END_OF_HEADERS) };
  g_autoptr (Harness) h = harness_new (
      "hostname = \"mx.test\"\n"
      "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = [\"one\", "
      "\"two\"] }\n"
      "route \"up\" { to = [\"smtp://127.0.0.1:25\"] }\n"
      "filter \"one\" { module = \"m\" }\n"
      "filter \"two\" { module = \"m\" only-if = \"sender bulk@*\" }\n",
      hooks, 2, IPC_EDIT_SENDER);
  h->filter = change_sender;
  harness_greet (h);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "550 5.7.1 spam");
}

/* ---- Splitting ---- */

#define RCPT(name) "RCPT TO:<" name ">\n"

static gboolean
refuse_message (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (request->hook != IPC_HOOK_END_OF_MESSAGE)
    return TRUE;
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (550, 5, 7, 1, "not for one");
  return TRUE;
}

static Harness *
splitting (HarnessFilter filter)
{
  return conditional ("\"recipient one@*\"", BIT (RCPT) | BIT (END_OF_MESSAGE), "\"user *\"",
                      BIT (END_OF_MESSAGE), filter);
}

static void
test_recipients_are_split (void)
{
  g_autoptr (Harness) h = splitting (refuse_message);
  harness_say (h, SAY_MAIL RCPT ("one@up.test") RCPT ("two@up.test") RCPT ("one@b.test"));
  g_autofree gchar *heard = harness_heard (h);
  g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
  g_assert_true (g_str_has_prefix (lines[1], "250 "));
  g_assert_true (g_str_has_prefix (lines[2], "452 4.5.3 "));
  g_assert_true (g_str_has_prefix (lines[3], "250 "));
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_null (strstr (h->commands->str, "two@up.test"));
  /* and comes again in its own transaction */
  harness_say (h, SAY_MAIL RCPT ("two@up.test") RCPT ("one@up.test") "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
}

/* The one that fixes the class is the first that was accepted. */
static void
test_refused_recipient_fixes_nothing (void)
{
  g_autoptr (Harness) h = splitting (NULL);
  harness_script (h, "RCPT two@up.test", "550 5.1.1 nobody");
  h->filter = note_asked;
  harness_say (h, SAY_MAIL RCPT ("two@up.test") RCPT ("one@up.test"));
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "550 5.1.1 nobody\n250 "));
}

/* While the first one's answer is awaited, nobody knows whether it fixes the class. */
static void
test_undecided_recipient_is_waited_for (void)
{
  g_autoptr (Harness) h = splitting (note_asked);
  harness_script (h, "RCPT two@up.test", "stall");
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, RCPT ("two@up.test") RCPT ("one@up.test"));
  harness_assert_heard (h, "");
  harness_upstream_answers (h, "250 2.1.5 fine");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "250 2.1.5 fine\n452 4.5.3 "));
}

/* A filter that can not act on a message makes nobody come twice. */
static void
test_recipient_checks_alone_split_nothing (void)
{
  g_autoptr (Harness) h = conditional ("\"recipient one@*\"", BIT (RCPT), "\"user *\"",
                                       BIT (END_OF_MESSAGE), note_asked);
  g_autoptr (GString) text = g_string_new (NULL);
  h->data = text;
  harness_say (h, SAY_MAIL RCPT ("one@up.test") RCPT ("two@up.test") "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (text->str, ==, "1");
  g_assert_nonnull (strstr (h->commands->str, "two@up.test"));
}

/* Conditions that do not hold anyway split nothing either. */
static void
test_unconcerned_filters_split_nothing (void)
{
  g_autoptr (Harness) h
      = conditional ("\"recipient one@*\", \"client 10.0.0.0/8\"", BIT (END_OF_MESSAGE),
                     "\"recipient one@*\", \"sender <>\"", BIT (END_OF_MESSAGE), note_asked);
  harness_say (h, SAY_MAIL RCPT ("one@up.test") RCPT ("two@up.test") "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_nonnull (strstr (h->commands->str, "two@up.test"));
}

static gboolean
discard_one (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (request->hook == IPC_HOOK_RCPT)
    record->verdict = IPC_VERDICT_DISCARD;
  return TRUE;
}

/* A message that one recipient's filter throws away is not thrown away for the other. */
static void
test_discard_covers_its_class_alone (void)
{
  g_autoptr (Harness) h = conditional ("\"recipient one@*\"", BIT (RCPT), "\"user *\"",
                                       BIT (END_OF_MESSAGE), discard_one);
  harness_say (h, SAY_MAIL RCPT ("two@up.test") RCPT ("one@up.test"));
  g_autofree gchar *first = harness_heard (h);
  g_assert_nonnull (strstr (first, "\n452 4.5.3 "));
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_free (harness_heard (h));
  harness_say (h, SAY_MAIL RCPT ("one@up.test") RCPT ("two@up.test"));
  g_autofree gchar *second = harness_heard (h);
  g_assert_nonnull (strstr (second, "\n452 4.5.3 "));
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1); /* only two@'s, from before */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gateway/only-if/who-is-asked", test_who_is_asked);
  g_test_add_func ("/gateway/only-if/hidden-client", test_hidden_client);
  g_test_add_func ("/gateway/only-if/note-of-an-earlier-filter", test_note_of_an_earlier_filter);
  g_test_add_func ("/gateway/only-if/sender-of-an-earlier-filter",
                   test_sender_of_an_earlier_filter);
  g_test_add_func ("/gateway/only-if/recipients-are-split", test_recipients_are_split);
  g_test_add_func ("/gateway/only-if/refused-recipient-fixes-nothing",
                   test_refused_recipient_fixes_nothing);
  g_test_add_func ("/gateway/only-if/undecided-recipient-is-waited-for",
                   test_undecided_recipient_is_waited_for);
  g_test_add_func ("/gateway/only-if/recipient-checks-alone",
                   test_recipient_checks_alone_split_nothing);
  g_test_add_func ("/gateway/only-if/unconcerned-filters", test_unconcerned_filters_split_nothing);
  g_test_add_func ("/gateway/only-if/discard-covers-its-class",
                   test_discard_covers_its_class_alone);
  return g_test_run ();
}
