/* The hooks of a session: Apache2::Protocol::ESMTP's table, its default replies, and what each
 * hook's answer changes. */
#include "talk.h"

#include <string.h>

static const WeirSettings named = { .size = sizeof named, .hostname = "mx.test" };

#define READY "220 mx.test ESMTP|250 mx.test|"
#define MAIL "MAIL FROM:<a@b.test>|RCPT TO:<c@d.test>|DATA|"
#define TAKEN                                                                                      \
  "250 Sender <a@b.test> ok|250 Recipient <c@d.test> ok|354 End data with <CR><LF>.<CR><LF>|"

/* What the hooks were told, and what one of them shall answer. */
typedef struct
{
  GString *told;
  const gchar *hook; /* which one answers; NULL: none */
  guint code;
  gboolean close;
  gsize chunk;
} Script;

static void
tell (WeirSession *session, Script *script, const gchar *hook, const gchar *argument)
{
  g_string_append_printf (script->told, "%s(%s) ", hook, argument);
  if (g_strcmp0 (hook, script->hook) != 0)
    return;
  weir_session_reply (session, script->code, NULL, "First of %s", hook);
  weir_session_add_line (session, "and %s", "second");
  if (script->close)
    weir_session_close (session);
}

#define PLAIN(name)                                                                                \
  static void on_##name (WeirSession *session, gpointer data)                                      \
  {                                                                                                \
    tell (session, data, #name, "");                                                               \
  }
#define ARGUMENT(name)                                                                             \
  static void on_##name (WeirSession *session, const char *argument, gpointer data)                \
  {                                                                                                \
    tell (session, data, #name, argument);                                                         \
  }

PLAIN (data)
PLAIN (end_of_headers)
PLAIN (end_of_message)
PLAIN (rset)
PLAIN (quit)
ARGUMENT (helo)
ARGUMENT (ehlo)
ARGUMENT (mail)
ARGUMENT (rcpt)
ARGUMENT (expn)
ARGUMENT (vrfy)
ARGUMENT (noop)
ARGUMENT (help)
ARGUMENT (unknown)

static void
on_connect (WeirSession *session, gpointer data)
{
  Script *script = data;

  weir_session_set_chunk_size (session, script->chunk);
  tell (session, script, "connect", weir_session_peer_address (session));
}

static void
on_disconnect (WeirSession *session, gpointer data)
{
  Script *script = data;

  g_string_append (script->told, "disconnect");
}

static void
on_header (WeirSession *session, const char *name, const char *value, gpointer data)
{
  g_autofree gchar *field = g_strdup_printf ("%s=%s", name, value);

  tell (session, data, "header", field);
}

static void
on_body (WeirSession *session, const guint8 *chunk, gsize length, gpointer data)
{
  g_autofree gchar *piece = g_strndup ((const gchar *) chunk, length);

  g_strdelimit (piece, "\r\n", '~');
  tell (session, data, "body", piece);
}

static const WeirHooks hooks = {
  .size = sizeof hooks,
  .connect = on_connect,
  .helo = on_helo,
  .ehlo = on_ehlo,
  .mail = on_mail,
  .rcpt = on_rcpt,
  .data = on_data,
  .header = on_header,
  .end_of_headers = on_end_of_headers,
  .body = on_body,
  .end_of_message = on_end_of_message,
  .expn = on_expn,
  .vrfy = on_vrfy,
  .noop = on_noop,
  .rset = on_rset,
  .help = on_help,
  .quit = on_quit,
  .unknown = on_unknown,
  .disconnect = on_disconnect,
};

static void
check (Script script, const gchar *said, const gchar *heard, const gchar *told)
{
  g_autoptr (GString) hooks_told = g_string_new (NULL);

  script.told = hooks_told;
  talk_check (&named, &hooks, &script, said, heard);
  if (told != NULL)
    g_assert_cmpstr (hooks_told->str, ==, told);
}

/* Silent hooks change nothing. */
static void
test_defaults (void)
{
  check ((Script){ .chunk = 1024 },
         "HELO c|" MAIL "A: b|B:  c|\td |  e||1|..|.|EXPN l|VRFY v|NOOP n|RSET|HELP mail|XYZ 1 2|"
         "QUIT|",
         READY TAKEN "250 Ok|502 EXPN is not implemented|"
                     "252 Cannot VRFY the address, but will take mail for it and try|250 Ok|250 Ok|"
                     "214 Syntax: MAIL FROM:<address> [parameters]|"
                     "500 Unrecognized command: \"XYZ 1 2\"|221 Bye|",
         "connect(local) helo(c) mail(a@b.test) rcpt(c@d.test) data() header(A=b) "
         "header(B=c\td   e) end_of_headers() body(1~~.~~) end_of_message() expn(l) vrfy(v) "
         "noop(n) rset() help(mail) unknown(XYZ 1 2) quit() disconnect");
}

/* Every hook that answers a command may answer any number of lines, and close behind them. */
static void
test_answers (void)
{
  static const struct
  {
    const gchar *hook;
    const gchar *said;
    guint code;
    const gchar *before;
  } rows[] = {
    { "connect", "NOOP|", 554, "" },
    { "helo", "HELO c|", 550, "220 mx.test ESMTP|" },
    { "ehlo", "EHLO c|", 550, "220 mx.test ESMTP|" },
    { "mail", "HELO c|MAIL FROM:<a@b>|", 550, READY },
    { "rcpt", "HELO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|", 251, READY "250 Sender <a@b> ok|" },
    { "expn", "HELO c|EXPN x|", 250, READY },
    { "vrfy", "HELO c|VRFY x|", 250, READY },
    { "noop", "HELO c|NOOP|", 250, READY },
    { "rset", "HELO c|RSET|", 250, READY },
    { "help", "HELO c|HELP|", 214, READY },
    { "unknown", "HELO c|XTRA|", 299, READY },
    { "quit", "HELO c|QUIT|", 221, READY },
    { "end_of_message", "HELO c|" MAIL "x|.|", 550, READY TAKEN },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *said = g_strconcat (rows[i].said, "NOOP|", NULL);
      g_autofree gchar *heard = g_strdup_printf ("%s%u-First of %s|%u and second|", rows[i].before,
                                                 rows[i].code, rows[i].hook, rows[i].code);

      check ((Script){ .hook = rows[i].hook, .code = rows[i].code, .close = TRUE }, said, heard,
             NULL);
    }
}

/* What was refused was not seen: no sender, no recipient, no data, no message. */
static void
test_refusals (void)
{
  check ((Script){ .hook = "mail", .code = 450 }, "HELO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|",
         READY "450-First of mail|450 and second|503 Need MAIL command|",
         "connect(local) helo(c) mail(a@b) disconnect");
  check ((Script){ .hook = "rcpt", .code = 550 }, "HELO c|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|QUIT|",
         READY "250 Sender <a@b> ok|550-First of rcpt|550 and second|554 No valid recipients|"
               "221 Bye|",
         NULL);
  check ((Script){ .hook = "data", .code = 250 }, "HELO c|" MAIL "NOOP|QUIT|",
         READY "250 Sender <a@b.test> ok|250 Recipient <c@d.test> ok|250-First of data|"
               "250 and second|250 Ok|221 Bye|",
         NULL);
  check ((Script){ .hook = "helo", .code = 550 }, "HELO c|NOOP|",
         "220 mx.test ESMTP|550-First of helo|550 and second|250 Ok|", NULL);
}

/* A refusal in the message is heard behind it; no hook sees the rest. */
static void
test_content_refusals (void)
{
  static const gchar *const names[] = { "header", "end_of_headers", "body", "end_of_message" };
  static const gchar *const told[] = {
    "header(A=b) ",
    "header(A=b) header(C=d) end_of_headers() ",
    "header(A=b) header(C=d) end_of_headers() body(1) ",
    "header(A=b) header(C=d) end_of_headers() body(1) body(2) body(~) body(~) end_of_message() ",
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *heard
          = g_strdup_printf (READY TAKEN "550-First of %s|550 and second|250 Ok|", names[i]);
      g_autofree gchar *all
          = g_strconcat ("connect(local) helo(c) mail(a@b.test) rcpt(c@d.test) data() ", told[i],
                         "noop() disconnect", NULL);

      check ((Script){ .hook = names[i], .code = 550, .chunk = 1 },
             "HELO c|" MAIL "A: b|C: d||12|.|NOOP|", heard, all);
    }
  /* A positive reply there has no meaning, and a hook that closes waits for the final dot. */
  check ((Script){ .hook = "header", .code = 250, .close = TRUE, .chunk = 9 },
         "HELO c|" MAIL "A: b||1|.|NOOP|", READY TAKEN "250 Ok|",
         "connect(local) helo(c) mail(a@b.test) rcpt(c@d.test) data() header(A=b) "
         "end_of_headers() body(1~~) end_of_message() disconnect");
}

/* The end of the headers: a blank line, a line that is no header, or the end. */
static void
check_content (const gchar *content, gsize chunk, const gchar *told)
{
  g_autofree gchar *said = g_strconcat ("HELO c|" MAIL, content, ".|QUIT|", NULL);
  g_autofree gchar *all
      = g_strconcat ("connect(local) helo(c) mail(a@b.test) rcpt(c@d.test) data() ", told,
                     " end_of_message() quit() disconnect", NULL);

  check ((Script){ .chunk = chunk }, said, READY TAKEN "250 Ok|221 Bye|", all);
}

static void
test_content (void)
{
  check_content ("A: b|no header|C: d|", 1024,
                 "header(A=b) end_of_headers() body(no header~~C: d~~)");
  check_content ("A: b|", 1024, "header(A=b) end_of_headers()");
  check_content ("", 1024, "end_of_headers()");
  check_content ("|1|", 1024, "end_of_headers() body(1~~)");
  check_content ("A: b||12345|", 3, "header(A=b) end_of_headers() body(123) body(45~) body(~)");
  check_content ("A: b||one||two|", 0,
                 "header(A=b) end_of_headers() body(one~~) body(~~) body(two~~)");
}

typedef struct
{
  gsize largest;
  gsize total;
  guint pieces;
} Sizes;

static void
measure (WeirSession *session, const guint8 *chunk, gsize length, gpointer data)
{
  Sizes *sizes = data;

  sizes->largest = MAX (sizes->largest, length);
  sizes->total += length;
  sizes->pieces++;
}

/* 1,024 octets a piece by default; a line without end comes in pieces too. */
static void
test_chunk_sizes (void)
{
  static const WeirHooks body = { .size = sizeof body, .body = measure };
  g_autofree gchar *text = g_strnfill (200000, 'x');
  g_autofree gchar *start = talk_lines ("HELO c|" MAIL "|");
  g_autofree gchar *script = g_strconcat (start, text, "\r\n.\r\n", NULL);

  for (guint lines = 0; lines < 2; lines++)
    {
      g_autoptr (Talk) talk = talk_new (&named, script, -1);
      Sizes sizes = { 0 };

      weir_session_set_hooks (talk->session, &body, &sizes);
      if (lines)
        weir_session_set_chunk_size (talk->session, 0);
      g_assert_cmpuint (talk_run (talk), ==, 1);
      g_assert_cmpuint (sizes.total, ==, 200002);
      g_assert_cmpuint (sizes.largest, ==, lines ? 65536 : 1024);
      g_assert_cmpuint (sizes.pieces, ==, lines ? 4 : 196);
    }
}

static void
test_header_limit (void)
{
  WeirSettings settings = named;
  Script script = { .told = g_string_new (NULL) };

  settings.header_size = 10;
  talk_check (&settings, &hooks, &script, "HELO c|" MAIL "A: 345||x|.|" MAIL "A: 3456||x|.|",
              READY TAKEN "250 Ok|" TAKEN "552 The header is too long|");
  g_assert_nonnull (strstr (script.told->str, "header(A=345) "));
  g_assert_null (strstr (script.told->str, "3456"));
  g_string_free (script.told, TRUE);
}

static void
announce (WeirSession *session, const char *domain, gpointer data)
{
  weir_session_reply (session, 250, NULL, "Hello %s", domain);
  weir_session_add_line (session, "XTWICE");
}

static void
twice (WeirSession *session, const char *line, gpointer data)
{
  if (g_ascii_strncasecmp (line, "XTWICE ", 7) == 0)
    weir_session_reply (session, 250, "2.0.0", "%s\n%s", line + 7, weir_session_helo (session));
}

/* A command of one's own, announced. */
static void
test_command (void)
{
  static const WeirHooks own = { .size = sizeof own, .ehlo = announce, .unknown = twice };

  talk_check (&named, &own, NULL, "EHLO c|xtwice me|XONCE|",
              "220 mx.test ESMTP|250-Hello c|250-PIPELINING|250-SIZE 52428800|"
              "250-ENHANCEDSTATUSCODES|250-8BITMIME|250-SMTPUTF8|250-CHUNKING|250-HELP|250 XTWICE|"
              "250-2.0.0 me|250 2.0.0 c|500 5.5.1 Unrecognized command: \"XONCE\"|");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hooks/defaults", test_defaults);
  g_test_add_func ("/hooks/answers", test_answers);
  g_test_add_func ("/hooks/refusals", test_refusals);
  g_test_add_func ("/hooks/content-refusals", test_content_refusals);
  g_test_add_func ("/hooks/content", test_content);
  g_test_add_func ("/hooks/chunk-sizes", test_chunk_sizes);
  g_test_add_func ("/hooks/header-limit", test_header_limit);
  g_test_add_func ("/hooks/command", test_command);
  return g_test_run ();
}
