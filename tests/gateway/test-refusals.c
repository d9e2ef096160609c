/* What the session says by itself: each refusal leaves one line in the log, a bounded number of
 * them; bare newlines end it; a filter's words at EHLO do not break the list of what is offered. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

#define BIT(name) IPC_HOOK_BIT (IPC_HOOK_##name)

static GString *logged;

static void
keep_line (const gchar *line, gsize length, gpointer data)
{
  g_string_append_len (logged, line, (gssize) length);
}

static guint
count_lines (const gchar *part)
{
  g_auto (GStrv) lines = g_strsplit (logged->str, "\n", -1);
  guint count = 0;
  for (gchar **line = lines; *line != NULL; line++)
    count += strstr (*line, "reject") != NULL && strstr (*line, part) != NULL;
  return count;
}

typedef struct
{
  const gchar *said;
  const gchar *line; /* what its line in the log has */
} Row;

/* One line each, whole and byte by byte. */
static void
test_logged (void)
{
  static const Row rows[] = {
    { "MAIL FROM:<a@client.test> SIZE=99999999999\n", "command=MAIL from=? dsn=5.3.4 reply=\"552" },
    { "MAIL FROM:<a@client.test> XFOO=1\n", "command=MAIL dsn=5.5.4 reply=\"555" },
    { "RCPT TO:<b@up.test>\n", "command=RCPT dsn=5.5.1 reply=\"503" },
    { "DATA\n", "command=DATA dsn=5.5.1 reply=\"503" },
    { "AUTH PLAIN\n", "command=AUTH dsn=5.5.1 reply=\"502" },
    { "BDAT 4 LAST\nQUIT", "command=BDAT dsn=5.5.1 reply=\"503" },
    { "HELO\n", "command=HELO dsn=5.5.4 reply=\"501" },
    { "WHAT\n", "command=command dsn=5.5.1 reply=\"500" },
    { "STARTTLS\n", "command=STARTTLS dsn=5.5.1 reply=\"502" },
  };
  for (guint i = 0; i < 2 * G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (Harness) h = harness_plain ();
      g_autofree gchar *wanted = g_strdup (rows[i / 2].line);
      gchar *from = strstr (wanted, " from=?");
      if (from != NULL)
        memmove (from, from + strlen (" from=?"), strlen (from + strlen (" from=?")) + 1);
      g_string_truncate (logged, 0);
      i % 2 == 0 ? harness_say (h, rows[i / 2].said) : harness_say_bytewise (h, rows[i / 2].said);
      g_assert_cmpuint (count_lines ("reply="), ==, 1);
      if (count_lines (wanted) != 1)
        g_error ("\"%s\" is not in: %s", wanted, logged->str);
      harness_say (h, "NOOP\n");
      g_assert_false (gateway_session_is_over (h->session));
      g_assert_cmpuint (count_lines ("reply="), ==, 1);
    }
}

static void
test_recipients (void)
{
  g_autoptr (Harness) h = harness_new ("recipients = 2\n" HARNESS_CONFIG, NULL, 0, 0);
  harness_greet (h);
  g_string_truncate (logged, 0);
  harness_say (h, SAY_MAIL SAY_RCPT SAY_RCPT SAY_RCPT SAY_RCPT);
  g_assert_cmpuint (count_lines ("command=RCPT from=<a@client.test> dsn=4.5.3"), ==, 2);
  g_assert_cmpuint (count_lines ("status=deferred"), ==, 2);
}

/* As many lines as errors are allowed, and the last one. */
static void
test_bounded (gconstpointer verb)
{
  g_autoptr (Harness) h = harness_plain ();
  g_autoptr (GString) many = g_string_new (NULL);
  for (guint i = 0; i < 50; i++)
    g_string_append (many, verb);
  g_string_truncate (logged, 0);
  harness_say (h, many->str);
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (count_lines ("Too many errors"), ==, 1);
  g_assert_cmpuint (count_lines ("reply="), ==, 21);
}

static void
test_bounded_recipients (void)
{
  g_autoptr (Harness) h = harness_new ("recipients = 2\n" HARNESS_CONFIG, NULL, 0, 0);
  harness_greet (h);
  g_string_truncate (logged, 0);
  harness_say (h, SAY_MAIL SAY_RCPT SAY_RCPT);
  for (guint i = 0; i < 50; i++)
    harness_say (h, SAY_RCPT);
  g_assert_false (gateway_session_is_over (h->session));
  g_assert_cmpuint (count_lines ("dsn=4.5.3"), ==, 20);
}

/* What may be read as two commands by somebody else is the last that we read. */
static void
test_bare_newline (gconstpointer said)
{
  for (guint bytewise = 0; bytewise < 2; bytewise++)
    {
      g_autoptr (Harness) h = harness_plain ();
      g_string_truncate (logged, 0);
      for (const gchar *p = said; bytewise && *p != '\0'; p++)
        harness_say_bytes (h, p, 1);
      if (!bytewise)
        harness_say_bytes (h, said, strlen (said));
      g_autofree gchar *heard = harness_heard (h);
      g_assert_nonnull (strstr (heard, "500 5.5.2 "));
      g_assert_true (g_str_has_suffix (heard, "\n"));
      g_assert_null (strstr (heard, "221 "));
      g_assert_true (gateway_session_is_over (h->session));
      g_assert_cmpuint (count_lines ("reply=\"500 5.5.2"), ==, 1);
      g_assert_cmpuint (h->messages, ==, 0);
    }
}

/* ---- EHLO ---- */

static const gchar *ehlo_text;

static gboolean
greet (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (request->hook == IPC_HOOK_EHLO)
    {
      record->verdict = IPC_VERDICT_REPLY;
      record->reply = base_reply_new (250, 0, 0, 0, ehlo_text);
    }
  return TRUE;
}

static gchar *
say_ehlo (const gchar *text, gboolean later)
{
  ehlo_text = text;
  g_autoptr (Harness) h = harness_filtered (BIT (EHLO), 0, greet);
  h->capabilities_later = later;
  harness_say (h, "EHLO again\n");
  if (later)
    gateway_session_capabilities (h->session, h->capabilities);
  harness_move (h);
  gchar *heard = harness_heard (h);
  /* The list still holds. */
  harness_say (h, "MAIL FROM:<a@client.test> SIZE=10\n");
  harness_assert_code (h, "250 ");
  return heard;
}

static void
test_ehlo_text (void)
{
  static const struct
  {
    const gchar *text, *first, *extra;
  } rows[] = {
    { "well met", "250-mx.test well met\n", NULL },
    { "mx.test at your service", "250-mx.test at your service\n", NULL },
    { "mx.testing", "250-mx.test mx.testing\n", NULL },
    { "", "250-mx.test Hello ", NULL },
    { "mx.test", "250-mx.test Hello ", NULL },
    { "hi\nX-LOYALTY 1 2\nXFOO", "250-mx.test hi\n", "250-X-LOYALTY 1 2\n250 XFOO\n" },
    { "hi\nX-ONE\nno: keyword this\n-X\nSTARTTLS\nsize 5\nAUTH=PLAIN\nXCLIENT NAME\n\nX-\xc3\xa4",
      "250-mx.test hi\n", "250 X-ONE\n" },
  };
  for (guint i = 0; i < 2 * G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *heard = say_ehlo (rows[i / 2].text, i % 2);
      const gchar *extra = rows[i / 2].extra != NULL ? rows[i / 2].extra : "250 HELP\n";
      if (!g_str_has_prefix (heard, rows[i / 2].first) || !g_str_has_suffix (heard, extra))
        g_error ("\"%s\" became: %s", rows[i / 2].text, heard);
      g_assert_nonnull (strstr (heard, "\n250-PIPELINING\n"));
      g_assert_null (strstr (heard, "STARTTLS"));
      g_assert_null (strstr (heard, "size 5"));
      g_assert_null (strstr (heard, "AUTH"));
      g_assert_null (strstr (heard, "XCLIENT"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_NOTICE);
  logged = g_string_new (NULL);
  base_log_set_sink (keep_line, NULL);
  g_test_add_func ("/gateway/refusals/logged", test_logged);
  g_test_add_func ("/gateway/refusals/recipients", test_recipients);
  g_test_add_data_func ("/gateway/refusals/bounded/syntax", "HELO\n", test_bounded);
  g_test_add_data_func ("/gateway/refusals/bounded/unknown", "WHAT\n", test_bounded);
  g_test_add_func ("/gateway/refusals/bounded/recipients", test_bounded_recipients);
  g_test_add_data_func ("/gateway/refusals/bare/lf", "NOOP\nQUIT\r\n", test_bare_newline);
  g_test_add_data_func ("/gateway/refusals/bare/cr", "NOOP a\rb\r\nQUIT\r\n", test_bare_newline);
  g_test_add_data_func ("/gateway/refusals/bare/mail",
                        "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@up.test>\nDATA\r\nx\r\n.\r\n",
                        test_bare_newline);
  g_test_add_data_func ("/gateway/refusals/bare/unknown", "GET / HTTP/1.0\nQUIT\r\n",
                        test_bare_newline);
  g_test_add_func ("/gateway/refusals/ehlo-text", test_ehlo_text);
  int status = g_test_run ();
  g_string_free (logged, TRUE);
  return status;
}
