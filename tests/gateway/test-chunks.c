/* A message that comes by BDAT: stored or streamed, whole or given up between two chunks. Nothing
 * that was given up is ever delivered. */
#include "harness.h"

#include <string.h>

#define BIT(name) IPC_HOOK_BIT (IPC_HOOK_##name)

static gboolean
pass (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return TRUE;
}

static gboolean
refuse_data (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (request->hook != IPC_HOOK_DATA)
    return TRUE;
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (550, 5, 7, 1, "not that");
  return TRUE;
}

/* With 0 it streams, with 1 it is stored. */
static Harness *
open_message (gconstpointer stored)
{
  Harness *h = harness_filtered (stored != NULL ? BIT (END_OF_MESSAGE) : BIT (MAIL), 0, pass);
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  return h;
}

static void
test_one_chunk (gconstpointer stored)
{
  g_autoptr (Harness) h = open_message (stored);
  harness_say (h, "BDAT 22 LAST\nSubject: hi\n\nhello\n");
  harness_assert_code (h, "250 ");
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (harness_behind_received (h), ==, "Subject: hi\r\n\r\nhello\r\n");
}

#define CHUNKS "BDAT 8\nSubject:BDAT 8\n hi\n\n.BDAT 7\n.\nx\n.BDAT 0 LAST\n"
#define WHOLE "Subject: hi\r\n\r\n..\r\nx\r\n.\r\n"

/* Dots are none of BDAT's business, and a last line gets its end. */
static void
test_chunks (gconstpointer stored)
{
  for (guint bytewise = 0; bytewise < 2; bytewise++)
    {
      g_autoptr (Harness) h = open_message (stored);
      bytewise ? harness_say_bytewise (h, CHUNKS) : harness_say (h, CHUNKS);
      g_autofree gchar *heard = harness_heard (h);
      g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
      g_assert_cmpuint (g_strv_length (lines), ==, 5);
      for (guint i = 0; i < 4; i++)
        g_assert_true (g_str_has_prefix (lines[i], "250 "));
      g_assert_cmpuint (h->messages, ==, 1);
      g_assert_cmpstr (harness_behind_received (h), ==, WHOLE);
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
      g_assert_cmpuint (h->messages, ==, 2);
    }
}

/* Behind it the session goes on, but for QUIT. */
static void
test_given_up (gconstpointer verb)
{
  for (guint stored = 0; stored < 2; stored++)
    {
      g_autoptr (Harness) h = open_message (GUINT_TO_POINTER (stored));
      harness_say (h, "BDAT 22\nSubject: hi\n\nhello\n");
      harness_assert_code (h, "250 ");
      harness_say (h, verb);
      g_autofree gchar *heard = harness_heard (h);
      g_assert_true (g_str_has_prefix (heard, "2"));
      harness_say (h, "BDAT 0 LAST\n");
      g_assert_cmpuint (h->messages, ==, 0);
      if (gateway_session_is_over (h->session))
        continue;
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
      g_assert_cmpuint (h->messages, ==, 1);
    }
}

static void
test_vanished (gconstpointer stored)
{
  g_autoptr (Harness) h = open_message (stored);
  harness_say (h, "BDAT 22\nSubject: hi\n\nhello\nBDAT 10 LAST\nabc");
  gateway_session_client_gone (h->session);
  harness_move (h);
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_null (gateway_session_upstream (h->session));
}

static void
test_refused (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (DATA), 0, refuse_data);
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  harness_say (h, "BDAT 6 LAST\nQUIT\nBDAT 4 LAST\nxx\nRSET\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "550 5.7.1 not that\n503 "));
  g_assert_nonnull (strstr (heard, "\n250 "));
  g_assert_cmpuint (h->messages, ==, 0);
}

/* The upstream's refusal of DATA, and of the message, comes with the last chunk. */
static void
test_upstream_refuses (gconstpointer key)
{
  for (guint stored = 0; stored < 2; stored++)
    {
      g_autoptr (Harness) h = open_message (GUINT_TO_POINTER (stored));
      harness_script (h, key, "554 5.6.0 no");
      harness_say (h, "BDAT 15\nSubject: hi\n\nBDAT 7 LAST\nhello\n");
      g_autofree gchar *heard = harness_heard (h);
      g_assert_true (g_str_has_prefix (heard, "250 "));
      g_assert_true (g_str_has_suffix (heard, "\n554 5.6.0 no\n"));
      g_assert_cmpuint (h->messages, ==, 0);
    }
}

static void
test_bare_newline (gconstpointer stored)
{
  g_autoptr (Harness) h = open_message (stored);
  static const gchar said[] = "BDAT 8\r\na: b\r\n\r\nBDAT 3 LAST\r\nx\ny";
  harness_say_bytes (h, said, sizeof said - 1);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "550 5.6.11 "));
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->messages, ==, 0);
}

/* The upstream is lost while a filter thinks about a command between two chunks: both are answered,
 * each in its turn. */
static void
test_command_between (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (UNKNOWN), 0, pass);
  harness_say (h, SAY_MAIL SAY_RCPT "BDAT 8\na: b\n\n");
  g_free (harness_heard (h));
  h->filter = NULL;
  harness_say (h, "WHAT\nBDAT 0 LAST\n");
  harness_assert_heard (h, "");
  harness_upstream_closes (h);
  harness_assert_heard (h, "");
  harness_answer_request (h, pass);
  harness_move (h);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "500 5.5.1 "));
  g_assert_nonnull (strstr (heard, "\n451 4.4.2 "));
}

static void
add_both (const gchar *name, GTestDataFunc func)
{
  g_autofree gchar *streamed = g_strdup_printf ("/gateway/chunks/%s/streamed", name);
  g_autofree gchar *stored = g_strdup_printf ("/gateway/chunks/%s/stored", name);
  g_test_add_data_func (streamed, NULL, func);
  g_test_add_data_func (stored, GUINT_TO_POINTER (1), func);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_both ("one", test_one_chunk);
  add_both ("several", test_chunks);
  add_both ("vanished", test_vanished);
  add_both ("bare-newline", test_bare_newline);
  g_test_add_data_func ("/gateway/chunks/given-up/rset", "RSET\n", test_given_up);
  g_test_add_data_func ("/gateway/chunks/given-up/ehlo", "EHLO again\n", test_given_up);
  g_test_add_data_func ("/gateway/chunks/given-up/helo", "HELO again\n", test_given_up);
  g_test_add_data_func ("/gateway/chunks/given-up/quit", "QUIT\n", test_given_up);
  g_test_add_func ("/gateway/chunks/refused", test_refused);
  g_test_add_func ("/gateway/chunks/command-between", test_command_between);
  g_test_add_data_func ("/gateway/chunks/upstream/data", "DATA", test_upstream_refuses);
  g_test_add_data_func ("/gateway/chunks/upstream/end", "END", test_upstream_refuses);
  return g_test_run ();
}
