/* Every verb in every state, with its argument missing, doubled, malformed and too long: the code
 * that RFC 5321 and the extension's own RFC have for it, whole and octet by octet; and behind it
 * the session stands where it stood. */
#include <string.h>

#include "smtp/server.h"

typedef enum
{
  AT_START,  /* greeted, no HELO */
  AT_READY,  /* behind EHLO */
  AT_MAIL,   /* behind MAIL */
  AT_RCPT,   /* behind RCPT */
  AT_CHUNKS, /* behind the first chunk */
  AT_SPOILT, /* behind a refused one */
  N_STATES
} State;

/* What brings a session there, and what shows that it is still there: a line and its code. */
static const struct
{
  const gchar *name, *way, *proof, *code;
} states[N_STATES] = {
  { "start", "", "MAIL FROM:<x@y>\r\n", "503" },
  { "ready", "EHLO c\r\n", "MAIL FROM:<x@y>\r\n", "250" },
  { "mail", "EHLO c\r\nMAIL FROM:<x@y>\r\n", "RCPT TO:<x@y>\r\n", "250" },
  { "rcpt", "EHLO c\r\nMAIL FROM:<x@y>\r\nRCPT TO:<x@y>\r\n", "DATA\r\n", "354" },
  { "chunks", "EHLO c\r\nMAIL FROM:<x@y>\r\nRCPT TO:<x@y>\r\nBDAT 2\r\n\r\n", "BDAT 0 LAST\r\n",
    "250" },
  { "spoilt", "EHLO c\r\nMAIL FROM:<x@y>\r\nRCPT TO:<x@y>\r\nBDAT 2 FIRST\r\n\r\n",
    "BDAT 0 LAST\r\n", "503" },
};

typedef struct
{
  const gchar *line; /* "^" is 300 times "a" */
  const gchar *codes[N_STATES];
} Row;

#define ALL(code)                                                                                  \
  {                                                                                                \
    code, code, code, code, code, code                                                             \
  }
/* Legal behind EHLO alone; before it, inside a transaction, between chunks it is out of place. */
#define OUTSIDE(code)                                                                              \
  {                                                                                                \
    "503", code, "503", "503", "503", "503"                                                        \
  }
#define INSIDE(code)                                                                               \
  {                                                                                                \
    "503", "503", code, code, "503", "503"                                                         \
  }

static const Row rows[] = {
  { "HELO", ALL ("501") },
  { "HELO a b", ALL ("501") },
  { "HELO ^", ALL ("501") },
  { "HELO a_@b", ALL ("501") },
  { "EHLO", ALL ("501") },
  { "EHLO a b", ALL ("501") },
  { "EHLO ^", ALL ("501") },
  { "LHLO a", ALL ("500") },
  { "MAIL", OUTSIDE ("501") },
  { "MAIL FROM", OUTSIDE ("501") },
  { "MAIL FROM:", OUTSIDE ("501") },
  { "MAIL TO:<a@b>", OUTSIDE ("501") },
  { "MAIL FROM:a@b@c", OUTSIDE ("501") },
  { "MAIL FROM:<a@b", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> <c@d>", OUTSIDE ("501") },
  { "MAIL FROM:<^^^^@b>", OUTSIDE ("501") },
  { "MAIL FROM:<a@b>SIZE=1", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> SIZE", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> SIZE=", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> SIZE=x", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> SIZE=123456789012345678901", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> SIZE=1001", OUTSIDE ("552") },
  { "MAIL FROM:<a@b> SIZE=1 SIZE=1", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> BODY", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> BODY=9BIT", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> BODY=BINARYMIME", OUTSIDE ("555") },
  { "MAIL FROM:<a@b> BODY=7BIT BODY=8BITMIME", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> SMTPUTF8", OUTSIDE ("555") },
  { "MAIL FROM:<a@b> RET", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> RET=BOTH", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> RET=FULL RET=HDRS", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> ENVID=", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> ENVID=a=b", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> ENVID=^", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> ENVID=a ENVID=b", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> AUTH", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> AUTH=+4", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> AUTH=^^", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> AUTH=<> AUTH=<>", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> NOTIFY=NEVER", OUTSIDE ("555") },
  { "MAIL FROM:<a@b> XFOO=1", OUTSIDE ("555") },
  { "MAIL FROM:<a@b> =1", OUTSIDE ("501") },
  { "MAIL FROM:<a@b> XFOO=^^^^", OUTSIDE ("501") },
  { "RCPT", INSIDE ("501") },
  { "RCPT TO", INSIDE ("501") },
  { "RCPT TO:", INSIDE ("501") },
  { "RCPT FROM:<a@b>", INSIDE ("501") },
  { "RCPT TO:<>", INSIDE ("501") },
  { "RCPT TO:<a@b", INSIDE ("501") },
  { "RCPT TO:<a@b> <c@d>", INSIDE ("501") },
  { "RCPT TO:<^^^^@b>", INSIDE ("501") },
  { "RCPT TO:<a@b> NOTIFY", INSIDE ("501") },
  { "RCPT TO:<a@b> NOTIFY=", INSIDE ("501") },
  { "RCPT TO:<a@b> NOTIFY=NEVER,DELAY", INSIDE ("501") },
  { "RCPT TO:<a@b> NOTIFY=SOMETIMES", INSIDE ("501") },
  { "RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY", INSIDE ("501") },
  { "RCPT TO:<a@b> ORCPT", INSIDE ("501") },
  { "RCPT TO:<a@b> ORCPT=a@b", INSIDE ("501") },
  { "RCPT TO:<a@b> ORCPT=rfc822;", INSIDE ("501") },
  { "RCPT TO:<a@b> ORCPT=rfc822;^^", INSIDE ("501") },
  { "RCPT TO:<a@b> ORCPT=rfc822;a ORCPT=rfc822;b", INSIDE ("501") },
  { "RCPT TO:<a@b> SIZE=1", INSIDE ("555") },
  { "RCPT TO:<a@b> XFOO", INSIDE ("555") },
  { "DATA now", INSIDE ("501") },
  { "RSET now", ALL ("501") },
  { "VRFY", ALL ("501") },
  { "EXPN", ALL ("501") },
  { "QUIT now", ALL ("501") },
  { "STARTTLS now", { "501", "501", "503", "503", "503", "503" } },
  { "AUTH", OUTSIDE ("501") },
  { "AUTH X", OUTSIDE ("504") },
  { "AUTH EXTERNAL =", OUTSIDE ("504") },
  { "AUTH PLAIN a b", OUTSIDE ("501") },
  { "AUTH ^", OUTSIDE ("504") },
  { "XCLIENT", OUTSIDE ("501") },
  { "XCLIENT ADDR", OUTSIDE ("501") },
  { "XCLIENT =1", OUTSIDE ("501") },
  { "XCLIENT ADDR=x+", OUTSIDE ("501") },
  { "XCLIENT ADDR=1.2.3.4 ADDR=1.2.3.4", OUTSIDE ("501") },
  { "XCLIENT XFOO=1", OUTSIDE ("501") },
  { "XCLIENT NAME=^", OUTSIDE ("501") },
  { "XFORWARD", OUTSIDE ("501") },
  { "XFORWARD NAME", OUTSIDE ("501") },
  { "XFORWARD =1", OUTSIDE ("501") },
  { "XFORWARD PORT=x=", OUTSIDE ("501") },
  { "XFORWARD NAME=a NAME=a", OUTSIDE ("501") },
  { "XFORWARD XFOO=1", OUTSIDE ("501") },
  { "XFORWARD NAME=^", OUTSIDE ("501") },
  { "XADD", OUTSIDE ("502") },
  { "XNONE", ALL ("500") },
  { "XNONE a b", ALL ("500") },
  { "^", ALL ("500") },
};

static const SmtpServerCommand added[] = { { "XADD", SMTP_SERVER_GREETED }, { NULL, 0 } };

static const SmtpServerLimits limits = { .message_size = 1000,
                                         .recipients = 10,
                                         .line_length = 2048,
                                         .bad_commands = 100,
                                         .require_helo = TRUE,
                                         .commands = added };

static void
answer (SmtpServer *server, const SmtpServerEvent *event)
{
  const guint32 all = SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE | SMTP_CAP_DSN
                      | SMTP_CAP_CHUNKING | SMTP_CAP_AUTH | SMTP_CAP_XCLIENT | SMTP_CAP_XFORWARD;

  if (event->type == SMTP_SERVER_EHLO)
    {
      smtp_server_offer_auth (server, "PLAIN LOGIN");
      smtp_server_answer_ehlo (server, "host", (SmtpCapabilities){ all, 1000 }, "XADD");
      return;
    }
  g_autoptr (BaseReply) usual = smtp_server_default_reply (event, "host");
  smtp_server_answer (server, usual);
}

static void
feed (SmtpServer *server, const gchar *text, gsize step)
{
  g_autofree guint8 *bytes = (guint8 *) g_strdup (text);
  gsize length = strlen (text);

  for (gsize done = 0; done < length; done += step)
    {
      const SmtpServerEvent *event;
      smtp_server_feed (server, bytes + done, MIN (step, length - done));
      while ((event = smtp_server_next (server)) != NULL)
        if (event->type != SMTP_SERVER_CHUNK)
          answer (server, event);
      smtp_server_settle (server);
    }
}

/* The code of the only reply since the last call; "" none. Caller frees. */
static gchar *
take_code (SmtpServer *server)
{
  BaseOutput *output = smtp_server_output (server);
  struct iovec vector[64];
  guint n = base_output_iovec (output, vector, 64);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append_len (text, vector[i].iov_base, (gssize) vector[i].iov_len);
  base_output_consume (output, output->length);
  g_auto (GStrv) lines = g_strsplit (text->str, "\r\n", -1);
  guint replies = 0;
  for (gchar **line = lines; *line != NULL; line++)
    replies += strlen (*line) > 3 && (*line)[3] == ' ';
  if (replies > 1)
    g_error ("more than one reply: %s", text->str);
  return g_strndup (text->str, 3);
}

static SmtpServer *
server_at (State state)
{
  SmtpServer *server = smtp_server_new (&limits);
  feed (server, states[state].way, G_MAXINT);
  if (state == AT_START)
    answer (server, smtp_server_next (server));
  base_output_consume (smtp_server_output (server), smtp_server_output (server)->length);
  return server;
}

static gchar *
make_line (const gchar *text)
{
  g_autofree gchar *many = g_strnfill (300, 'a');
  g_auto (GStrv) parts = g_strsplit (text, "^", -1);
  g_autofree gchar *line = g_strjoinv (many, parts);

  return g_strconcat (line, "\r\n", NULL);
}

static void
try (const Row *row, State state, gsize step)
{
  g_autoptr (SmtpServer) server = server_at (state);
  g_autofree gchar *line = make_line (row->line);
  feed (server, line, step);
  g_autofree gchar *code = take_code (server);
  if (!g_str_equal (code, row->codes[state]))
    g_error ("%s: \"%s\" heard %s, not %s", states[state].name, row->line, code, row->codes[state]);
  g_assert_false (smtp_server_is_closing (server));
  g_assert_cmpuint (smtp_server_backlog (server), ==, 0);
  feed (server, "NOOP\r\n", step);
  g_autofree gchar *noop = take_code (server);
  g_assert_cmpstr (noop, ==, "250");
  feed (server, states[state].proof, step);
  g_autofree gchar *proof = take_code (server);
  if (!g_str_equal (proof, states[state].code))
    g_error ("%s: behind \"%s\" the session has moved: %s", states[state].name, row->line, proof);
}

static void
test_state (gconstpointer data)
{
  State state = (State) GPOINTER_TO_INT (data);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      try (&rows[i], state, G_MAXINT);
      try (&rows[i], state, 1);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gint i = 0; i < N_STATES; i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/smtp/bad-input/%s", states[i].name);
      g_test_add_data_func (path, GINT_TO_POINTER (i), test_state);
    }
  return g_test_run ();
}
