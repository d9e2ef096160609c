/* Every mix of CR, LF, NUL and dot around an end of data, sent through the running gateway: what
 * the upstream hears is what a strict reader of the client's octets expects, or nothing. Fails when
 * a second envelope becomes commands, or a bare CR or LF leaves us. */
#include "kit.h"

#include <string.h>

#define SECOND                                                                                     \
  "MAIL FROM:<second@client.test>\r\nRCPT TO:<second@up.test>\r\nDATA\r\n"                         \
  "Subject: second\r\n\r\nx\r\n.\r\n"
#define FILTER                                                                                     \
  "filter \"exe\" { module = \"attachments\" deny = [\"exe\"] action = \"reject\" timeout = 60s }"

static const gchar octets[] = { '\r', '\n', '\0', '.' };

typedef struct
{
  guint port;
  gboolean normalize;
  KitServer *server;
  KitProcess *mailweir;
  KitClient *client; /* NULL: none open */
  guint accepted;
  guint refused;
} Run;

/* ---- The strict reader ---- */

typedef struct
{
  GString *content; /* as it should go on, dots unstuffed */
  gboolean bare;
  gboolean early; /* the data end before the last octets: what follows are commands */
} Expected;

static void
mend (Expected *expected, const gchar *raw, gsize length)
{
  for (gsize i = 0; i < length; i++)
    {
      gboolean pair = raw[i] == '\r' && i + 1 < length && raw[i + 1] == '\n';
      gboolean line_dot = raw[i] == '.' && i >= 2 && memcmp (raw + i - 2, "\r\n", 2) == 0;
      if (raw[i] == '\r' || raw[i] == '\n')
        {
          g_string_append (expected->content, "\r\n");
          expected->bare |= !pair;
          i += pair;
        }
      else if (!line_dot)
        g_string_append_c (expected->content, raw[i]);
    }
}

/* Ahead of the first line that is no field goes a blank line. */
static void
close_header (GString *content)
{
  for (gsize at = 0; at < content->len;)
    {
      const gchar *line = content->str + at;
      gsize name = strcspn (line, " :\r");
      if (line[0] == '\r')
        return;
      if (line[0] != ' ' && (name == 0 || line[name] != ':'))
        {
          g_string_insert (content, (gssize) at, "\r\n");
          return;
        }
      at = (gsize) (strchr (line, '\n') + 1 - content->str);
    }
}

static void
expect (Expected *expected, const GString *wire)
{
  static const gchar end[] = "\r\n.\r\n";
  const gchar *found = memmem (wire->str, wire->len, end, strlen (end));
  gsize length = found + 2 - wire->str;
  expected->content = g_string_new (NULL);
  expected->bare = FALSE;
  expected->early = length + 3 < wire->len;
  mend (expected, wire->str, length);
  close_header (expected->content);
}

/* ---- The run ---- */

static void
run_start (Run *run, gboolean normalize, const gchar *listener, const gchar *rest)
{
  guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  g_autofree gchar *options
      = g_strdup_printf ("bare-newlines = \"%s\" %s", normalize ? "normalize" : "refuse", listener);
  *run = (Run){ .port = kit_port (), .normalize = normalize };
  run->server = kit_server (upstream, "PIPELINING\n8BITMIME", NULL);
  run->mailweir = kit_gateway (run->port, to, options, NULL, rest);
}

static void
hang_up (Run *run)
{
  g_clear_pointer (&run->client, kit_close);
}

static void
run_stop (Run *run)
{
  hang_up (run);
  g_test_message ("%u accepted, %u refused", run->accepted, run->refused);
  g_assert_cmpuint (kit_server_bare_newlines (run->server), ==, 0);
  kit_gateway_stop (run->mailweir);
  kit_server_stop (run->server);
}

static void
open_data (Run *run)
{
  if (run->client == NULL)
    {
      run->client = kit_connect (run->port);
      g_free (kit_greet (run->client));
    }
  kit_open_message (run->client, "a@client.test", "b@up.test");
}

/* The message as the upstream got it, without the one field that we put on top. */
static gboolean
is_content (GBytes *message, const GString *content)
{
  gsize length;
  const gchar *data = g_bytes_get_data (message, &length);
  return length > content->len && g_str_has_prefix (data, "Received: ")
         && memcmp (data + length - content->len, content->str, content->len) == 0
         && memcmp (data + length - content->len - 2, "\r\n", 2) == 0
         && g_strstr_len (data, length - content->len, "Subject:") == NULL;
}

static void
check_commands (Run *run, gboolean early, const gchar *escaped)
{
  g_autoptr (GPtrArray) commands = kit_server_commands (run->server);
  for (guint i = 0; i < commands->len; i++)
    {
      const gchar *command = commands->pdata[i];
      gboolean ours = g_str_has_prefix (command, "EHLO mx.test")
                      || g_str_has_prefix (command, "MAIL FROM:<a@client.test>")
                      || g_str_equal (command, "RCPT TO:<b@up.test>")
                      || g_str_equal (command, "DATA") || g_str_equal (command, "RSET")
                      || g_str_equal (command, "QUIT");
      if (!ours && (!early || strstr (command, "second@") == NULL))
        g_error ("\"%s\" made the upstream hear \"%s\"", escaped, command);
    }
}

/* Behind an early end the second envelope is the client's own: it may pass, once. */
static void
check_messages (Run *run, const Expected *expected, gboolean accepted, const gchar *escaped)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (run->server);
  guint first = accepted ? 1 : 0;
  if (messages->len < first || messages->len > first + (expected->early ? 1 : 0))
    g_error ("\"%s\": %u messages arrived", escaped, messages->len);
  if (accepted && !is_content (messages->pdata[0], expected->content))
    g_error ("\"%s\": another message arrived:\n%.*s", escaped,
             (int) g_bytes_get_size (messages->pdata[0]),
             (const gchar *) g_bytes_get_data (messages->pdata[0], NULL));
}

/* Reads what is said to the commands behind an early end, up to the farewell. */
static void
read_rest (Run *run)
{
  gboolean over = FALSE;
  kit_say (run->client, "QUIT\n");
  while (!over)
    {
      g_autofree gchar *reply = kit_reply (run->client);
      over = *reply == '\0' || g_str_has_prefix (reply, "221") || g_str_has_prefix (reply, "421");
    }
  hang_up (run);
}

/* Header fields have rules of their own: there a refusal is never wrong. */
static void
check_reply (Run *run, const Expected *expected, gboolean in_header, const gchar *reply,
             const gchar *escaped)
{
  gboolean accepted = g_str_has_prefix (reply, "250 2.0.0");
  gboolean refused = g_str_has_prefix (reply, "550 5.6.");
  gboolean clean = run->normalize || !expected->bare;
  if (accepted == refused || (accepted && !clean) || (!in_header && accepted != clean))
    g_error ("\"%s\" heard %s", escaped, reply);
  run->accepted += accepted;
  run->refused += refused;
}

static void
try_one (Run *run, const gchar *before, const gchar *mix, gsize length, gboolean in_header)
{
  g_autoptr (GString) wire = g_string_new (before);
  g_string_append_len (wire, mix, length);
  g_string_append (wire, SECOND);
  Expected expected;
  expect (&expected, wire);
  g_autoptr (GString) printable = g_string_new_len (mix, length);
  for (gsize i = 0; i < length; i++)
    printable->str[i] = mix[i] == '\r' ? 'R' : mix[i] == '\n' ? 'N' : mix[i] == '.' ? '.' : '0';

  open_data (run);
  kit_say_bytes (run->client, wire->str, wire->len);
  g_autofree gchar *reply = kit_reply (run->client);
  check_reply (run, &expected, in_header, reply, printable->str);
  if (reply[0] != '2') /* a bare newline ends the session too */
    hang_up (run);
  else if (expected.early)
    read_rest (run);
  check_messages (run, &expected, reply[0] == '2', printable->str);
  check_commands (run, expected.early, printable->str);
  kit_server_forget (run->server);
  g_string_free (expected.content, TRUE);
}

/* All strings of up to `longest` octets behind this text. */
static void
try_all (Run *run, const gchar *before, gsize longest, gboolean in_header)
{
  gchar mix[8] = { 0 };
  for (gsize length = 0; length <= longest; length++)
    for (guint number = 0; number < 1u << (2 * length); number++)
      {
        for (gsize i = 0; i < length; i++)
          mix[i] = octets[number >> (2 * i) & 3];
        try_one (run, before, mix, length, in_header);
      }
}

static void
check_policy (gboolean normalize, const gchar *listener, const gchar *rest, gsize longest)
{
  Run run;
  run_start (&run, normalize, listener, rest);
  try_all (&run, "Subject: first\r\n\r\nbody", longest, FALSE);
  try_all (&run, "Subject: first\r\n\r\nbody\r\n", longest, FALSE);
  try_all (&run, "Subject: first\r\nX-Field: value", 3, TRUE);
  g_assert_cmpuint (run.accepted, >, 0);
  run_stop (&run);
}

static void
test_refuse (void)
{
  check_policy (FALSE, "", NULL, 5);
}

static void
test_normalize (void)
{
  check_policy (TRUE, "", NULL, 5);
}

static void
test_refuse_stored (void)
{
  check_policy (FALSE, "filters = [\"exe\"]", FILTER, 3);
}

static void
test_normalize_stored (void)
{
  check_policy (TRUE, "filters = [\"exe\"]", FILTER, 3);
}

/* A command line ends in CRLF alone. */
static void
test_bare_newlines_in_commands (void)
{
  static const gchar *const lines[] = { "MAIL FROM:<a@client.test>\nRCPT TO:<second@up.test>\r\n",
                                        "MAIL FROM:<a@client.test>\rRCPT TO:<second@up.test>\r\n",
                                        "RCPT TO:<b@up.test>\nRCPT TO:<second@up.test>\r\n",
                                        "NOOP\nMAIL FROM:<second@x.test>\r\n" };
  Run run;
  run_start (&run, FALSE, "", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      run.client = kit_connect (run.port);
      g_free (kit_greet (run.client));
      if (g_str_has_prefix (lines[i], "RCPT"))
        kit_command (run.client, "MAIL FROM:<a@client.test>", "250");
      kit_say_bytes (run.client, lines[i], strlen (lines[i]));
      kit_expect (run.client, "50");
      hang_up (&run);
    }
  run_stop (&run);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/smuggling/refuse", test_refuse);
  g_test_add_func ("/e2e/smuggling/normalize", test_normalize);
  g_test_add_func ("/e2e/smuggling/refuse-stored", test_refuse_stored);
  g_test_add_func ("/e2e/smuggling/normalize-stored", test_normalize_stored);
  g_test_add_func ("/e2e/smuggling/commands", test_bare_newlines_in_commands);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
