/* The filter milter against a milter on libmilter, with Postfix for an oracle: the same milter
 * behind both, the same clients, and what the client hears, what the milter is told and what
 * arrives must be the same. Then what Postfix can not be asked: every way of asking for less, a
 * milter that dies or hangs, and one connection for many messages. */
#include "kit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

typedef struct
{
  KitProcess *milter, *server, *sink;
  KitPostfix *postfix;
  guint port, milter_port;
  gchar *folder; /* where messages arrive */
  gchar *log;    /* the milter's */
} Side;

static guint number;

/* Why not; NULL: it can. */
static const gchar *
why_not (void)
{
  g_autofree gchar *path
      = g_build_filename (g_getenv ("MAILWEIR_BUILD"), "tests", "e2e", "full-milter", NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS) ? NULL : "libmilter-dev is not installed";
}

static void
start_milter (Side *side, const gchar *steps, const gchar *macros)
{
  g_autofree gchar *socket = g_strdup_printf ("inet:%u@127.0.0.1", side->milter_port);
  g_autofree gchar *name = g_strdup_printf ("milter-%u", ++number);
  const gchar *argv[]
      = { kit_program ("tests/e2e/full-milter"), socket, side->log, steps, macros, NULL };

  side->milter = kit_start (name, argv);
  kit_wait_port (side->milter_port);
}

static void
init_side (Side *side)
{
  *side = (Side){ .port = kit_port (), .milter_port = kit_port () };
  side->folder = kit_path ("mail-%u", ++number);
  side->log = kit_path ("milter-%u.log", number);
}

static guint
start_sink (Side *side)
{
  guint port = kit_port ();

  side->sink = kit_sink (port, side->folder, NULL);
  return port;
}

static void
start_mailweir (Side *side, const gchar *filter)
{
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", start_sink (side));
  g_autofree gchar *filters = g_strdup_printf (
      "filter \"m\" {\n  module = \"milter\"\n  socket = \"inet:%u@127.0.0.1\"\n  %s\n}\n"
      "quarantine = \"%s-aside\"\n",
      side->milter_port, filter, side->folder);

  side->server = kit_gateway (side->port, to, "filters = [\"m\"]\nrelay = \"any\"", NULL, filters);
}

static gboolean
start_postfix (Side *side, const gchar **reason)
{
  g_autofree gchar *name = g_strdup_printf ("postfix-%u", ++number);
  g_autofree gchar *settings
      = g_strdup_printf ("smtpd_milters = inet:127.0.0.1:%u\nmilter_default_action = tempfail\n"
                         "relayhost = [127.0.0.1]:%u\nlocal_header_rewrite_clients =\n"
                         "smtp_tls_security_level = none\nsmtpd_hard_error_limit = 1000\n"
                         "smtpd_soft_error_limit = 1000\nsmtpd_error_sleep_time = 0\n",
                         side->milter_port, start_sink (side));

  side->postfix = kit_postfix (name, side->port, settings, NULL, reason);
  return side->postfix != NULL;
}

static void
stop_side (Side *side)
{
  if (side->server != NULL)
    kit_gateway_stop (side->server);
  if (side->postfix != NULL)
    kit_postfix_stop (side->postfix);
  kit_stop (side->milter, SIGTERM);
  kit_stop (side->sink, SIGTERM);
  g_free (side->folder);
  g_free (side->log);
}

/* ---- What there is to compare ---- */

/* Its code, and what it says if that is not our own word for yes. */
static void
hear (KitClient *client, GString *heard)
{
  g_autofree gchar *reply = kit_reply (client);

  if (*reply == '2' || *reply == '3')
    g_string_append_printf (heard, "%.3s\n", reply);
  else
    g_string_append (heard, *reply == '\0' ? "(closed)\n" : reply);
}

/* One session: its lines are commands, each with an answer; "." ends a message, whose lines follow
 * "DATA". */
static gchar *
converse (guint port, const gchar *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  KitClient *client = kit_connect (port);
  GString *heard = g_string_new (NULL);
  gboolean message = FALSE;

  hear (client, heard);
  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0' + message * 256; i++)
    {
      g_autofree gchar *line = g_strconcat (lines[i], "\n", NULL);

      kit_say (client, line);
      if (message && strcmp (lines[i], ".") != 0)
        continue;
      hear (client, heard);
      message = strcmp (lines[i], "DATA") == 0 && g_str_has_suffix (heard->str, "354\n");
      if (g_str_has_suffix (heard->str, "(closed)\n"))
        break;
    }
  kit_close (client);
  return g_string_free (heard, FALSE);
}

static gint
compare_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

/* "X-Rcpt-Args: <b@c> ORCPT=…" of the sink, without what a hop adds by itself. */
static gchar *
envelope_line (const gchar *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  GString *out = g_string_new (NULL);

  for (guint i = 0; words[i] != NULL; i++)
    if (!g_str_has_prefix (words[i], "SIZE=") && !g_str_has_prefix (words[i], "BODY=")
        && !g_str_has_prefix (words[i], "ORCPT="))
      g_string_append_printf (out, "%s%s", i > 0 ? " " : "", words[i]);
  return g_string_free (out, FALSE);
}

/* A message as the sink wrote it: envelope, sorted, then header and body without trace fields. */
static gchar *
normalize (const gchar *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GPtrArray) envelope = g_ptr_array_new_with_free_func (g_free);
  GString *out = g_string_new (NULL);
  gboolean header = TRUE, dropped = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const gchar *line = lines[i];
      gboolean fold = *line == ' ' || *line == '\t';

      header = header && *line != '\0';
      if (header && !fold)
        dropped = g_str_has_prefix (line, "X-Client-") || g_str_has_prefix (line, "X-Helo-Args")
                  || (g_str_has_prefix (line, "Received: from ") && strstr (line, "hop") == NULL);
      if (header && (g_str_has_prefix (line, "X-Mail-Args") || g_str_has_prefix (line, "X-Rcpt-")))
        g_ptr_array_add (envelope, envelope_line (line));
      else if (!header || !dropped)
        g_string_append_printf (out, "%s\n", line);
    }
  g_ptr_array_sort (envelope, compare_text);
  for (guint i = envelope->len; i > 0; i--)
    g_string_prepend (g_string_prepend (out, "\n"), envelope->pdata[i - 1]);
  return g_string_free (out, FALSE);
}

/* A sink's file is there from MAIL on, and is gone after RSET. */
static GPtrArray *
wait_messages (const gchar *folder, guint count)
{
  GPtrArray *messages = kit_messages (folder);

  for (guint i = 0; i < KIT_PATIENCE * 50 && messages->len != count; i++)
    {
      g_usleep (20000);
      g_ptr_array_unref (messages);
      messages = kit_messages (folder);
    }
  g_assert_cmpuint (messages->len, ==, count);
  return messages;
}

/* All messages that are there, sorted; waits for so many. */
static gchar *
arrived (const Side *side, guint count)
{
  g_autoptr (GPtrArray) messages = NULL;
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  GString *all = g_string_new (NULL);

  messages = wait_messages (side->folder, count);
  for (guint i = 0; i < messages->len; i++)
    g_ptr_array_add (texts, normalize (messages->pdata[i]));
  g_ptr_array_sort (texts, compare_text);
  for (guint i = 0; i < texts->len; i++)
    g_string_append_printf (all, "---- message\n%s", (const gchar *) texts->pdata[i]);
  return g_string_free (all, FALSE);
}

/* What the milter was told, from `from` on; only from the lines that do not name the server. */
static gchar *
told (const Side *side)
{
  g_autofree gchar *text = kit_read (side->log);
  g_auto (GStrv) lines = g_strsplit (text == NULL ? "" : text, "\n", -1);
  GString *out = g_string_new (NULL);

  for (guint i = 0; lines[i] != NULL; i++)
    if (!g_str_has_prefix (lines[i], "connect ") && strcmp (lines[i], "abort") != 0
        && strcmp (lines[i], "close") != 0)
      g_string_append_printf (out, "%s\n", lines[i]);
  return g_string_free (out, FALSE);
}

/* A session was told to its end. */
static void
wait_closed (const Side *side)
{
  g_autofree gchar *all = NULL;

  for (guint i = 0; i < KIT_PATIENCE * 50; i++)
    {
      g_free (all);
      all = kit_read (side->log);
      if (strstr (all, "connect ") != NULL && g_str_has_suffix (all, "close\n"))
        return;
      g_usleep (20000);
    }
  g_error ("the milter's session was not closed:\n%s", all);
}

/* ---- The same behind both ---- */

static const struct
{
  const gchar *name, *text;
  guint messages; /* that arrive */
} cases[] = {
#define ENVELOPE "EHLO client.test\nMAIL FROM:<a@client.test>\nRCPT TO:<b@far.test>\nDATA\n"
#define CASE(name, fields, messages)                                                               \
  {                                                                                                \
    name, ENVELOPE "From: a@client.test\n" fields "\n\nhello\n.\nQUIT\n", messages                 \
  }
  { "plain",
    ENVELOPE "Received: from hop\n\tby hop2; Sat, 21 Nov 2026 04:23:45 +0000\nSubject: a\n b\n\tc\n"
             "X-Nothing:\nX-Tight:tight\nX-Wide:   wide\nX-Two: 1\nX-Two: 2\n\nhello\n..\n\nend\n"
             ".\nQUIT\n",
    1 },
  { "empty-body", ENVELOPE "Subject: x\n\n.\nQUIT\n", 1 },
  CASE ("addheader", "X-Do: addheader X-New some value", 1),
  CASE ("addheader-folded", "X-Do: addheader X-New some\\n\\tvalue\\n more", 1),
  CASE ("insheader",
        "X-Do: insheader 1 X-Top one\nX-Do: insheader 2 X-Second two\n"
        "X-Do: insheader 1 X-Topper three\nX-Do: insheader 500 X-Last four",
        1),
  CASE ("insheader-top",
        "X-Do: insheader 0 X-A one\nX-Do: insheader 1 X-B two\n"
        "X-Do: insheader 2 X-C three\nX-Do: insheader 3 X-D four",
        1),
  CASE ("chgheader",
        "Subject: x\nSubject: y\nX-Do: chgheader 1 Subject one\n"
        "X-Do: chgheader 2 subject two\nX-Do: chgheader 1 X-Not-There new",
        1),
  CASE ("chgheader-delete",
        "Subject: x\nSubject: y\nSubject: z\nX-Do: chgheader 2 Subject\n"
        "X-Do: chgheader 1 X-Not-There",
        1),
  CASE ("chgheader-again",
        "Subject: x\nSubject: y\nX-Do: chgheader 1 Subject\n"
        "X-Do: chgheader 1 Subject two\nX-Do: addheader X-New a\n"
        "X-Do: chgheader 1 X-New b",
        1),
  CASE ("chgheader-received",
        "Received: from hop1\nReceived: from hop2\n"
        "X-Do: chgheader 1 Received from hop3",
        1),
  CASE ("addrcpt", "X-Do: addrcpt <c@far.test>\nX-Do: addrcpt d@far.test", 1),
  CASE ("addrcpt-par", "X-Do: addrcpt <c@far.test> NOTIFY=NEVER", 1),
  CASE ("delrcpt",
        "X-Do: addrcpt <c@far.test>\nX-Do: delrcpt <b@far.test>\n"
        "X-Do: delrcpt <nobody@far.test>",
        1),
  CASE ("delrcpt-first", "X-Do: delrcpt <b@far.test>\nX-Do: addrcpt <c@far.test>", 1),
  CASE ("delrcpt-all", "X-Do: delrcpt <b@far.test>", 0),
  CASE ("chgfrom", "X-Do: chgfrom <other@client.test>", 1),
  CASE ("chgfrom-null", "X-Do: chgfrom <>", 1),
  CASE ("replbody", "X-Do: replbody a\\r\\nnew\\r\\nbody\\r\\n", 1),
  CASE ("longbody", "X-Do: longbody 5000", 1),
  CASE ("progress", "X-Do: progress 3", 1),
  CASE ("everything",
        "X-Do: addheader X-New a\nX-Do: replbody new\\r\\n\nX-Do: addrcpt c@far.test\n"
        "X-Do: chgfrom z@client.test\nX-Do: insheader 1 X-Top b\nX-Do: accept",
        1),
  CASE ("changes-refused", "X-Do: addheader X-New a\nX-Do: delrcpt b@far.test\nX-Do: reject", 0),
  CASE ("end-reject", "X-Do: reject", 0),
  CASE ("end-tempfail", "X-Do: tempfail", 0),
  CASE ("end-discard", "X-Do: discard", 0),
  CASE ("end-accept", "X-Do: accept", 1),
  CASE ("end-reply", "X-Do: reply", 0),
  CASE ("end-later", "X-Do: later", 0),
  CASE ("end-lines", "X-Do: lines", 0),
  CASE ("header-reject", "X-Header: reject", 0),
  CASE ("header-accept", "X-Header: accept\nX-Do: reject", 1),
  CASE ("header-discard", "X-Header: discard", 0),
  CASE ("header-later", "X-Header: later", 0),
  { "skip-body", ENVELOPE "Subject: x\n\nskip this\n.\nQUIT\n", 1 },
  { "recipients",
    "EHLO client.test\nMAIL FROM:<a@client.test>\nRCPT TO:<reject@far.test>\n"
    "RCPT TO:<b@far.test>\nRCPT TO:<tempfail@far.test>\nRCPT TO:<reply@far.test>\n"
    "RCPT TO:<c@far.test>\nRCPT TO:<later@far.test>\nRCPT TO:<lines@far.test>\nDATA\nSubject: x\n\n"
    "hello\n.\nQUIT\n",
    1 },
  { "recipients-none",
    "EHLO client.test\nMAIL FROM:<a@client.test>\nRCPT TO:<reject@far.test>\n"
    "RCPT TO:<reply@far.test>\nRSET\nMAIL FROM:<>\nRCPT TO:<b@far.test>\nDATA\nSubject: "
    "x\n\nhello\n"
    ".\nQUIT\n",
    1 },
  { "recipient-accept",
    "EHLO client.test\nMAIL FROM:<a@client.test>\nRCPT TO:<accept@far.test>\n"
    "RCPT TO:<reject@far.test>\nDATA\nX-Do: reject\n\nhello\n.\nQUIT\n",
    1 },
  { "sender-reject",
    "EHLO client.test\nMAIL FROM:<reject@client.test>\nMAIL FROM:<reply@client.test>\n"
    "MAIL FROM:<tempfail@client.test>\nMAIL FROM:<later@client.test>\n"
    "MAIL FROM:<a@client.test>\nRCPT TO:<b@far.test>\nDATA\nSubject: x\n\nhello\n.\nQUIT\n",
    1 },
  { "sender-accept",
    "EHLO client.test\nMAIL FROM:<accept@client.test>\nRCPT TO:<reject@far.test>\nDATA\n"
    "X-Do: reject\n\nhello\n.\nMAIL FROM:<a@client.test>\nRCPT TO:<reject@far.test>\nQUIT\n",
    1 },
  { "sender-discard",
    "EHLO client.test\nMAIL FROM:<discard@client.test>\nRCPT TO:<b@far.test>\nDATA\n"
    "Subject: x\n\nhello\n.\nQUIT\n",
    0 },
  { "recipient-leave",
    "EHLO client.test\nMAIL FROM:<a@client.test>\nRCPT TO:<leave@far.test>\nQUIT\n", 0 },
  { "helo-accept",
    "EHLO accept.test\nMAIL FROM:<reject@client.test>\nRCPT TO:<reject@far.test>\nDATA\n"
    "X-Do: reject\n\nhello\n.\nQUIT\n",
    1 },
  { "unknown", "EHLO client.test\nXBAD\nQUIT\n", 0 },
  { "parameters",
    "EHLO client.test\nMAIL FROM:<a@client.test> BODY=8BITMIME RET=HDRS\n"
    "RCPT TO:<b@far.test> NOTIFY=NEVER\nDATA\nSubject: x\n\nhello\n.\nQUIT\n",
    1 },
  { "several",
    ENVELOPE
    "Subject: 1\n\none\n.\nMAIL FROM:<a@client.test>\nRSET\nMAIL FROM:<b@client.test>\n"
    "RCPT TO:<c@far.test>\nEHLO again.test\nMAIL FROM:<c@client.test>\nRCPT TO:<d@far.test>\n"
    "DATA\nX-Do: addheader X-New a\n\ntwo\n.\nMAIL FROM:<d@client.test>\n"
    "RCPT TO:<e@far.test>\nDATA\nX-Do: reject\n\nthree\n.\nMAIL FROM:<e@client.test>\n"
    "RCPT TO:<f@far.test>\nDATA\nSubject: 4\n\nfour\n.\nQUIT\n",
    3 },
  { "helo",
    "HELO client.test\nMAIL FROM:<a@client.test>\nRCPT TO:<b@far.test>\nDATA\nSubject: "
    "x\n\nhello\n.\nQUIT\n",
    1 },
};

static void
forget (Side *side)
{
  g_autoptr (GDir) dir = g_dir_open (side->folder, 0, NULL);
  const gchar *name = NULL;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (side->folder, name, NULL);

      g_unlink (path);
    }
  g_assert_cmpint (truncate (side->log, 0), ==, 0);
}

static guint
compare_case (Side *ours, Side *theirs, guint index)
{
  g_autofree gchar *our_replies = converse (ours->port, cases[index].text);
  g_autofree gchar *their_replies = converse (theirs->port, cases[index].text);
  if (strcmp (our_replies, their_replies) != 0)
    g_test_message ("%s: ours\n%s\nPostfix's\n%s", cases[index].name, our_replies, their_replies);
  g_autofree gchar *our_mail = arrived (ours, cases[index].messages);
  g_autofree gchar *their_mail = arrived (theirs, cases[index].messages);

  /* A sink's file is there before it is written. */
  for (guint i = 0; i < 100 && strcmp (our_mail, their_mail) != 0; i++)
    {
      g_usleep (20000);
      g_free (our_mail);
      g_free (their_mail);
      our_mail = arrived (ours, cases[index].messages);
      their_mail = arrived (theirs, cases[index].messages);
    }
  g_autofree gchar *our_events = NULL, *their_events = NULL;
  guint differences = 0;

  wait_closed (ours);
  wait_closed (theirs);
  our_events = told (ours);
  their_events = told (theirs);
  const gchar *const pairs[][3] = { { "replies", our_replies, their_replies },
                                    { "mail", our_mail, their_mail },
                                    { "events", our_events, their_events } };
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    if (strcmp (pairs[i][1], pairs[i][2]) != 0)
      {
        g_test_message ("%s, %s: ours\n%s\nPostfix's\n%s", cases[index].name, pairs[i][0],
                        pairs[i][1], pairs[i][2]);
        differences++;
      }
  forget (ours);
  forget (theirs);
  return differences;
}

/* One whose verdict comes at the end, where a milter that answers nothing else gives it. */
static gboolean
is_of_the_end (const gchar *text)
{
  return g_str_has_prefix (text, ENVELOPE) && strstr (text, "X-Header") == NULL;
}

static void
compare_all (const gchar *steps, gboolean mute)
{
  Side ours, theirs;
  const gchar *reason = why_not ();
  guint differences = 0;

  if (reason != NULL)
    {
      g_test_skip (reason);
      return;
    }
  init_side (&ours);
  init_side (&theirs);
  start_milter (&theirs, steps, NULL);
  if (!start_postfix (&theirs, &reason))
    {
      g_test_skip (reason);
      stop_side (&theirs);
      return;
    }
  start_milter (&ours, steps, NULL);
  start_mailweir (&ours, "");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    if (!mute || is_of_the_end (cases[i].text))
      differences += compare_case (&ours, &theirs, i);
  stop_side (&ours);
  stop_side (&theirs);
  g_assert_cmpuint (differences, ==, 0);
}

static void
test_as_postfix (void)
{
  compare_all ("0", FALSE);
}

/* SMFIP_HDR_LEADSPC */
static void
test_as_postfix_leading_space (void)
{
  compare_all ("0x100000", FALSE);
}

/* SMFIP_NR_…, all of them: nothing is answered but the end. */
static void
test_as_postfix_mute (void)
{
  compare_all ("0xff080", TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/milter/as-postfix", test_as_postfix);
  g_test_add_func ("/e2e/milter/as-postfix-leading-space", test_as_postfix_leading_space);
  g_test_add_func ("/e2e/milter/as-postfix-mute", test_as_postfix_mute);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
