/* A message that goes upstream by BDAT: whole or in pieces, streamed or stored, with and without
 * PIPELINING; refused, answered too early, not answered, lost. */
#include "harness-upstream.h"

#include <string.h>

#include "base/log.h"

#define BIT(name) IPC_HOOK_BIT (IPC_HOOK_##name)

static gboolean
pass (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return TRUE;
}

typedef struct
{
  const gchar *name;
  gboolean stored;
  guint32 lacks; /* of SmtpCap: what the upstream does not offer */
} Way;

static const Way ways[] = { { "streamed", FALSE, 0 },
                            { "stored", TRUE, 0 },
                            { "streamed/no-pipelining", FALSE, SMTP_CAP_PIPELINING },
                            { "stored/no-pipelining", TRUE, SMTP_CAP_PIPELINING } };

static Harness *
open_message (const Way *way)
{
  Harness *h = harness_filtered (way->stored ? BIT (END_OF_MESSAGE) : BIT (MAIL), 0, pass);
  h->capabilities.flags |= SMTP_CAP_CHUNKING | SMTP_CAP_PIPELINING;
  h->capabilities.flags &= ~way->lacks;
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  g_string_truncate (h->commands, 0);
  return h;
}

static void
test_sent (gconstpointer way)
{
  for (guint bytewise = 0; bytewise < 2; bytewise++)
    {
      g_autoptr (Harness) h = open_message (way);
      const gchar *said = "BDAT 15\nSubject: hi\n\nBDAT 10 LAST\n.\n..\nx\n";
      bytewise ? harness_say_bytewise (h, said) : harness_say (h, said);
      g_assert_cmpuint (h->messages, ==, 1);
      g_assert_cmpstr (harness_behind_received (h), ==, "Subject: hi\r\n\r\n.\r\n..\r\nx\r\n");
      g_assert_nonnull (strstr (h->commands->str, "BDAT\n"));
      g_assert_null (strstr (h->commands->str, "DATA\nE"));
      g_assert_null (g_strstr_len (h->commands->str, 4, "DATA"));
      /* The connection is as good as new. */
      harness_say (h, SAY_MAIL SAY_RCPT "BDAT 6 LAST\na: b\n");
      g_assert_cmpuint (h->messages, ==, 2);
      g_assert_cmpuint (h->given_back, ==, 2);
      g_assert_cmpuint (h->dropped, ==, 0);
    }
}

/* The client's DATA stays DATA, and its BDAT becomes DATA where there is no CHUNKING. */
static void
test_data (gconstpointer way)
{
  for (guint chunking = 0; chunking < 2; chunking++)
    {
      const Way without = { "", ((const Way *) way)->stored,
                            ((const Way *) way)->lacks | (chunking ? 0 : SMTP_CAP_CHUNKING) };
      g_autoptr (Harness) h = open_message (&without);
      harness_say (h, chunking ? "DATA\na: b\n.\n" : "BDAT 6 LAST\na: b\n");
      g_assert_cmpuint (h->messages, ==, 1);
      g_assert_cmpstr (harness_behind_received (h), ==, "a: b\r\n");
      g_assert_true (g_str_has_prefix (h->commands->str, "DATA\n"));
    }
}

/* As with DATA. */
static void
test_last_line_end (gconstpointer way)
{
  g_autoptr (Harness) h = open_message (way);
  harness_say (h, "BDAT 8\na: b\n\nBDAT 2\nhaBDAT 0 LAST\n");
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (harness_behind_received (h), ==, "a: b\r\n\r\nha\r\n");
}

static gchar *
big_body (gsize lines)
{
  GString *body = g_string_new (NULL);
  for (gsize i = 0; i < lines; i++)
    g_string_append_printf (
        body,
        "%06" G_GSIZE_FORMAT " 0123456789012345678901234567890123456789012345678901234567890\n", i);
  return g_string_free (body, FALSE);
}

/* More than the upstream takes at once, in tiny chunks and large ones. */
static void
test_large (gconstpointer way)
{
  g_autofree gchar *body = big_body (20000);
  gsize length = strlen (body);
  for (guint size = 1100; size < 1000000; size *= 30)
    {
      g_autoptr (Harness) h = open_message (way);
      g_autoptr (GString) whole = g_string_new ("a: b\r\n\r\n");
      h->choke = size == 1100 ? 0 : 50000;
      harness_say (h, "BDAT 8\na: b\n\n");
      for (gsize at = 0; at < length; at += 69 * (size / 69))
        {
          g_autofree gchar *part = g_strndup (body + at, MIN (69 * (size / 69), length - at));
          g_autofree gchar *said
              = g_strdup_printf ("BDAT %" G_GSIZE_FORMAT "\n%s", strlen (part) / 69 * 70, part);
          harness_say (h, said);
          for (gchar *p = part; *p != '\0'; p++)
            g_string_append (whole, *p == '\n' ? "\r\n" : (gchar[]){ *p, '\0' });
        }
      harness_say (h, "BDAT 0 LAST\n");
      for (guint i = 0; i < 100 && h->messages == 0; i++)
        harness_move (h);
      g_assert_cmpuint (h->messages, ==, 1);
      g_assert_cmpstr (harness_behind_received (h), ==, whole->str);
      g_assert_cmpuint (h->dropped, ==, 0);
    }
}

/* The first chunk is refused: the client's octets are read to their end, then it hears why. */
static void
test_first_refused (gconstpointer way)
{
  g_autoptr (Harness) h = open_message (way);
  harness_script (h, "BDAT", "554 5.6.0 no chunks today");
  harness_say (h, "BDAT 8\na: b\n\nBDAT 3\nx\nBDAT 6 LAST\nQUIT\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_suffix (heard, "\n554 5.6.0 no chunks today\n"));
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_false (gateway_session_is_over (h->session));
  harness_say (h, "NOOP\n");
  harness_assert_code (h, "250 ");
}

/* One in the middle: what was large enough has gone out already. */
static void
test_middle_refused (gconstpointer way)
{
  g_autoptr (Harness) h = open_message (way);
  g_autofree gchar *body = big_body (3000);
  g_autofree gchar *said = g_strdup_printf ("BDAT %u\n%s", 3000 * 70, body);
  harness_connection (h)->limits.message_size = 1000;
  harness_script (h, "END", "552 5.3.4 too much for us");
  harness_say (h, "BDAT 8\na: b\n\n");
  for (guint i = 0; i < 3; i++)
    harness_say (h, said);
  harness_say (h, "BDAT 6 LAST\nQUIT\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_suffix (heard, "\n552 5.3.4 too much for us\n"));
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_nonnull (strstr (h->commands->str, "RSET\n"));
  g_assert_cmpuint (h->given_back, ==, 1);
  harness_script (h, "END", NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "BDAT 6 LAST\na: b\n");
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_last_refused (gconstpointer way)
{
  g_autoptr (Harness) h = open_message (way);
  harness_script (h, "END", "450 4.2.0 not now");
  harness_say (h, "BDAT 6 LAST\na: b\n");
  harness_assert_heard (h, "450 4.2.0 not now\n");
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_cmpuint (h->given_back, ==, 0);
}

static void
test_lost (gconstpointer way)
{
  static const gchar *const when[] = { "BDAT", "CHUNK", "END" };
  for (guint i = 0; i < G_N_ELEMENTS (when); i++)
    {
      g_autoptr (Harness) h = open_message (way);
      harness_script (h, when[i], "close");
      harness_say (h, "BDAT 8\na: b\n\nBDAT 3 LAST\nx\n");
      g_autofree gchar *heard = harness_heard (h);
      g_assert_nonnull (strstr (heard, "\n451 4.4.2 "));
      g_assert_cmpuint (h->messages, ==, 0);
      g_assert_cmpuint (h->connections, ==, 1);
    }
}

/* A 250 that nobody asked for accepts nothing. What is stored finds another connection. */
static void
test_answered_early (gconstpointer way)
{
  g_autoptr (Harness) h = open_message (way);
  harness_say (h, "BDAT 8\na: b\n\n");
  harness_upstream_says (h, "250 2.0.0 early\r\n");
  harness_say (h, "BDAT 3 LAST\nx\n");
  g_autofree gchar *heard = harness_heard (h);
  gboolean stored = ((const Way *) way)->stored;
  g_assert_nonnull (strstr (heard, stored ? "\n250 2.0.0 up ok" : "\n451 4."));
  g_assert_cmpuint (h->messages, ==, stored);
  g_assert_cmpuint (h->connections, ==, 1 + stored);
  g_assert_cmpuint (h->dropped, ==, 1);
}

/* A chunk without an answer is no chunk that moves. */
static void
test_silent (gconstpointer way)
{
  const Way *w = way;
  g_autoptr (Harness) h = open_message (way);
  g_autofree gchar *body = big_body (1000);
  g_autofree gchar *said
      = g_strdup_printf ("BDAT %u%s\n%s", 1000 * 70, w->stored ? " LAST" : "", body);
  harness_script (h, "BDAT", "stall");
  harness_say (h, "BDAT 8\na: b\n\n");
  g_free (harness_heard (h));
  harness_say (h, said);
  g_free (harness_heard (h));
  harness_pass_time (h, 29 * 1000);
  g_assert_nonnull (gateway_session_upstream (h->session));
  harness_pass_time (h, 2 * 1000);
  if (w->stored && (w->lacks & SMTP_CAP_PIPELINING) == 0)
    harness_pass_time (h, 10 * 60 * 1000); /* LAST is out: the final answer has its own time */
  g_assert_null (gateway_session_upstream (h->session));
  if (!w->stored)
    harness_say (h, "BDAT 0 LAST\n");
  harness_assert_code (h, "451 4.4.2");
}

/* A chunk that goes out after a long rest has all of its time. */
static void
test_slow_client (void)
{
  g_autoptr (Harness) h = open_message (&ways[0]);
  g_autofree gchar *body = big_body (1000);
  g_autofree gchar *said = g_strdup_printf ("BDAT %u\n%s", 1000 * 70, body);
  harness_say (h, "BDAT 8\na: b\n\n");
  for (guint i = 0; i < 3; i++)
    {
      harness_pass_time (h, 29 * 1000);
      harness_say (h, said);
      harness_pass_time (h, 100 * 1000);
    }
  h->mute = TRUE; /* the next answer is late */
  harness_pass_time (h, 29 * 1000);
  harness_say (h, said);
  harness_pass_time (h, 20 * 1000);
  h->mute = FALSE;
  harness_move (h);
  harness_say (h, "BDAT 0 LAST\n");
  g_assert_cmpuint (h->messages, ==, 1);
}

/* The client leaves, or takes its message back: never a LAST. */
static void
test_given_up (gconstpointer way)
{
  g_autofree gchar *body = big_body (2000);
  g_autofree gchar *said = g_strdup_printf ("BDAT %u\n%s", 2000 * 70, body);
  for (guint leaves = 0; leaves < 2; leaves++)
    {
      g_autoptr (Harness) h = open_message (way);
      harness_say (h, "BDAT 8\na: b\n\n");
      harness_say (h, said);
      if (leaves)
        gateway_session_client_gone (h->session);
      else
        harness_say (h, "RSET\n" SAY_MAIL SAY_RCPT "BDAT 6 LAST\na: c\n");
      harness_move (h);
      g_assert_cmpuint (h->messages, ==, !leaves);
      if (!leaves)
        g_assert_cmpstr (harness_behind_received (h), ==, "a: c\r\n");
    }
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const gchar *name;
    GTestDataFunc func;
  } tests[] = { { "sent", test_sent },
                { "data", test_data },
                { "last-line-end", test_last_line_end },
                { "large", test_large },
                { "first-refused", test_first_refused },
                { "middle-refused", test_middle_refused },
                { "last-refused", test_last_refused },
                { "lost", test_lost },
                { "answered-early", test_answered_early },
                { "silent", test_silent },
                { "given-up", test_given_up } };

  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    for (guint j = 0; j < G_N_ELEMENTS (ways); j++)
      {
        g_autofree gchar *path
            = g_strdup_printf ("/gateway/upstream-chunks/%s/%s", tests[i].name, ways[j].name);
        g_test_add_data_func (path, &ways[j], tests[i].func);
      }
  g_test_add_func ("/gateway/upstream-chunks/slow-client", test_slow_client);
  return g_test_run ();
}
