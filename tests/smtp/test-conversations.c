/* Runs the scripts of tests/conversations/server against the server machine: whole, one octet at a
 * time and cut at random, with answers given at once and as late as possible. Output and events
 * must be what the script says, and the same each time. The scripts' language is told in
 * tests/conversations/README.md. */
#include "smtp/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "script-text.h"

#define HOSTNAME "mx.example.org"

typedef enum
{
  CUT_WHOLE,
  CUT_BYTES,
  CUT_RANDOM
} Cut;

typedef struct
{
  const gchar *where; /* file and title */
  SmtpServerLimits limits;
  SmtpCapabilities offered;
  gchar *mechanisms; /* of AUTH */
  SmtpServerCommand commands[4];
  Cut cut;
  gboolean late; /* pull all there is before the first answer */
  SmtpServer *server;
  gboolean connected;   /* CONNECT was answered */
  GByteArray *input;    /* C: lines that were not fed yet */
  GString *output;      /* not yet matched by S: lines */
  GPtrArray *events;    /* since the last feed, as text */
  guint events_matched; /* by E: lines since the last feed */
  GByteArray *content;  /* of CHUNKs since the last END */
  GPtrArray *answers;   /* HOST: lines, "rcpt 550 5.1.1 text" */
  GString *log;         /* all events */
} Run;

static const gchar *const event_names[]
    = { "CONNECT", "HELO", "EHLO",          "MAIL",    "RCPT",     "DATA",   "CHUNK",    "END",
        "RSET",    "NOOP", "VRFY",          "EXPN",    "HELP",     "QUIT",   "STARTTLS", "UNKNOWN",
        "BDAT",    "AUTH", "AUTH_RESPONSE", "XCLIENT", "XFORWARD", "COMMAND" };
static const gchar *const fault_names[]
    = { "", " bare-cr", " bare-lf", " too-big", " line-length", " syntax" };

static gchar *
event_to_string (Run *run, const SmtpServerEvent *event)
{
  GString *text = g_string_new (event_names[event->type]);

  if (event->path != NULL)
    {
      g_string_append_printf (text, " <%s>", event->path->address);
      for (gchar **p = event->path->parameters; p != NULL && *p != NULL; p++)
        g_string_append_printf (text, " %s", *p);
    }
  else if (event->type == SMTP_SERVER_XCLIENT || event->type == SMTP_SERVER_XFORWARD)
    {
      g_autofree gchar *attributes = g_strjoinv (" ", (gchar **) event->attributes);
      g_string_append_printf (text, " %s", attributes);
    }
  else if (event->argument != NULL && *event->argument != '\0')
    {
      if (event->type == SMTP_SERVER_COMMAND)
        g_string_append_printf (text, " %s", event->verb);
      g_autofree gchar *argument
          = script_escape ((const guint8 *) event->argument, strlen (event->argument));
      g_string_append_printf (text, " %s", argument);
    }
  if (event->type == SMTP_SERVER_AUTH && event->initial != NULL)
    g_string_append_printf (text, " %s", event->initial);
  if (event->type == SMTP_SERVER_AUTH_RESPONSE)
    g_string_append (text, fault_names[event->fault]);
  if (event->type == SMTP_SERVER_END)
    {
      g_autofree gchar *content = script_escape (run->content->data, run->content->len);
      g_string_append_printf (text, "%s %" G_GUINT64_FORMAT " %s", fault_names[event->fault],
                              event->size, content);
      g_byte_array_set_size (run->content, 0);
    }
  return g_strchomp (g_string_free (text, FALSE));
}

/* The oldest HOST: line for this event; NULL: the default reply. Caller frees. */
static gchar *
take_answer (Run *run, const gchar *name)
{
  gsize length = strlen (name);

  for (guint i = 0; i < run->answers->len; i++)
    {
      const gchar *line = g_ptr_array_index (run->answers, i);
      if (g_ascii_strncasecmp (line, name, length) == 0 && line[length] == ' ')
        return g_ptr_array_steal_index (run->answers, i);
    }
  return NULL;
}

static void
give_scripted (Run *run, const gchar *line)
{
  const gchar *text = strchr (line, ' ') + 1;
  gboolean closing = g_str_has_prefix (text, "close ");
  gchar *rest;
  guint16 enhanced[3] = { 0, 0, 0 };

  text += closing ? strlen ("close ") : 0;
  guint code = (guint) strtoul (text, &rest, 10);
  rest += *rest == ' ';
  rest += base_reply_parse_enhanced (rest, strlen (rest), enhanced);
  g_autofree gchar *lines = g_strcompress (rest);
  g_autoptr (BaseReply) reply = base_reply_new (code, enhanced[0], enhanced[1], enhanced[2], lines);
  if (closing)
    smtp_server_answer_close (run->server, reply);
  else
    smtp_server_answer (run->server, reply);
}

/* What the host answers to an event, kept while the answer is late. */
typedef struct
{
  SmtpServerEventType type;
  gchar *scripted;
  BaseReply *usual;
  guint times;
} Answer;

static void
answer_free (Answer *answer)
{
  g_free (answer->scripted);
  base_reply_free (answer->usual);
  g_free (answer);
}

static void
give_answer (Run *run, const Answer *answer)
{
  if (answer->type == SMTP_SERVER_EHLO)
    smtp_server_offer_auth (run->server, run->mechanisms);
  if (answer->scripted != NULL)
    give_scripted (run, answer->scripted);
  else if (answer->type == SMTP_SERVER_EHLO)
    smtp_server_answer_ehlo (run->server, HOSTNAME, run->offered, NULL);
  else
    smtp_server_answer (run->server, answer->usual);
  for (guint i = 1; i < answer->times; i++)
    {
      g_autofree gchar *line = take_answer (run, "END");
      if (line != NULL)
        give_scripted (run, line);
      else
        smtp_server_answer (run->server, answer->usual);
    }
}

static Answer *
record_event (Run *run, const SmtpServerEvent *event)
{
  if (event->type == SMTP_SERVER_CHUNK)
    {
      g_byte_array_append (run->content, event->bytes, (guint) event->length);
      return NULL;
    }
  gchar *text = event_to_string (run, event);
  g_string_append_printf (run->log, "%s\n", text);
  g_ptr_array_add (run->events, text);
  Answer *answer = g_new0 (Answer, 1);
  answer->type = event->type;
  answer->times = event->type == SMTP_SERVER_END ? event->answers : 1;
  answer->scripted = take_answer (run, event_names[event->type]);
  answer->usual = smtp_server_default_reply (event, HOSTNAME);
  return answer;
}

/* Pulls and answers until nothing more comes. */
static void
pump (Run *run)
{
  g_autoptr (GPtrArray) late = g_ptr_array_new_with_free_func ((GDestroyNotify) answer_free);
  const SmtpServerEvent *event;

  do
    {
      g_ptr_array_set_size (late, 0);
      while ((event = smtp_server_next (run->server)) != NULL)
        {
          Answer *answer = record_event (run, event);
          if (answer == NULL)
            continue;
          g_ptr_array_add (late, answer);
          if (run->late)
            continue;
          give_answer (run, answer);
          g_ptr_array_set_size (late, 0);
        }
      for (guint i = 0; i < late->len; i++)
        give_answer (run, g_ptr_array_index (late, i));
    }
  while (late->len > 0);
}

static void
collect_output (Run *run)
{
  BaseOutput *output = smtp_server_output (run->server);
  struct iovec vector[16];
  guint count;

  while ((count = base_output_iovec (output, vector, G_N_ELEMENTS (vector))) > 0)
    for (guint i = 0; i < count; i++)
      {
        g_string_append_len (run->output, vector[i].iov_base, (gssize) vector[i].iov_len);
        if (i + 1 == count)
          base_output_consume (output, output->length);
      }
}

static void
check_done (Run *run)
{
  if (run->output->len > 0)
    g_error ("%s: output that the script does not have: %s", run->where, run->output->str);
  if (run->events_matched > 0 && run->events_matched < run->events->len)
    g_error ("%s: an event that the script does not have: %s", run->where,
             (gchar *) g_ptr_array_index (run->events, run->events_matched));
}

/* The greeting comes before the first line that needs it, so that limits can be set and answers be
 * given ahead of it. */
static void
greet (Run *run)
{
  if (run->connected)
    return;
  run->connected = TRUE;
  pump (run);
  collect_output (run);
}

/* Feeds what the C: lines gathered. */
static void
feed (Run *run)
{
  if (run->input->len == 0)
    return;
  g_autoptr (GByteArray) input = run->input;
  run->input = g_byte_array_new ();
  g_clear_pointer (&run->events, g_ptr_array_unref);
  run->events = g_ptr_array_new_with_free_func (g_free);
  run->events_matched = 0;
  for (guint at = 0; at < input->len;)
    {
      guint part = run->cut == CUT_WHOLE   ? input->len
                   : run->cut == CUT_BYTES ? 1
                                           : (guint) g_test_rand_int_range (1, 12);
      part = MIN (part, input->len - at);
      g_autofree guint8 *piece = g_memdup2 (input->data + at, part);
      smtp_server_feed (run->server, piece, part);
      pump (run);
      smtp_server_settle (run->server);
      at += part;
    }
  collect_output (run);
}

/* Common beginnings, so that a script shows only what it is about. What they output is not
 * compared. */
static void
start (Run *run, const gchar *how)
{
  static const gchar *const steps[]
      = { "connect", "EHLO client.example\r\n", "MAIL FROM:<a@example.org>\r\n",
          "RCPT TO:<b@example.org>\r\n", "DATA\r\n" };
  static const gchar *const names[] = { "connect", "ehlo", "mail", "rcpt", "data" };
  guint last = 0;

  while (last < G_N_ELEMENTS (names) && !g_str_equal (names[last], how))
    last++;
  g_assert_cmpuint (last, <, G_N_ELEMENTS (names));
  greet (run);
  for (guint i = 1; i <= last; i++)
    g_byte_array_append (run->input, (const guint8 *) steps[i], (guint) strlen (steps[i]));
  feed (run);
  collect_output (run);
  g_string_truncate (run->output, 0);
}

static void
set_limit (Run *run, const gchar *text)
{
  SmtpServerLimits *limits = &run->limits;
  gchar *rest = strchr (text, ' ');
  guint value = rest == NULL ? 1 : (guint) strtoul (rest, NULL, 10);
  g_autofree gchar *name = g_strndup (text, rest == NULL ? strlen (text) : (gsize) (rest - text));
  struct
  {
    const gchar *name;
    guint *value;
  } const table[] = { { "recipients", &limits->recipients },
                      { "line-length", &limits->line_length },
                      { "text-line-length", &limits->text_line_length },
                      { "bad-commands", &limits->bad_commands } };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (g_str_equal (table[i].name, name))
      {
        *table[i].value = value;
        return;
      }
  if (g_str_equal (name, "message-size"))
    limits->message_size = value;
  else if (g_str_equal (name, "normalize"))
    limits->newlines = SMTP_NEWLINES_NORMALIZE;
  else if (g_str_equal (name, "require-helo"))
    limits->require_helo = value != 0;
  else if (g_str_equal (name, "require-tls"))
    limits->require_tls = value != 0;
  else if (g_str_equal (name, "lmtp"))
    limits->lmtp = TRUE;
  else
    g_error ("%s: no such limit: %s", run->where, name);
}

static void
expect_output (Run *run, const gchar *text)
{
  greet (run);
  gchar *end = strstr (run->output->str, "\r\n");
  gsize length = end == NULL ? run->output->len : (gsize) (end - run->output->str);
  g_autofree gchar *line = script_escape ((const guint8 *) run->output->str, length);

  if (end == NULL || !g_str_equal (line, text))
    g_error ("%s: wanted \"S: %s\", got \"S: %s\"", run->where, text, line);
  g_string_erase (run->output, 0, (gssize) length + 2);
}

static void
expect_event (Run *run, const gchar *text)
{
  const gchar *got = run->events_matched < run->events->len
                         ? g_ptr_array_index (run->events, run->events_matched)
                         : "(no event)";

  if (!g_str_equal (got, text))
    g_error ("%s: wanted \"E: %s\", got \"E: %s\"", run->where, text, got);
  run->events_matched++;
}

static void
client_line (Run *run, const gchar *text)
{
  greet (run);
  if (run->input->len == 0)
    check_done (run);
  if (script_unescape (text, run->input))
    g_byte_array_append (run->input, (const guint8 *) "\r\n", 2);
}

static void
start_tls (Run *run, const gchar *text)
{
  gboolean implicit = g_str_equal (text, "implicit");

  g_assert_cmpint (smtp_server_wants_tls (run->server), ==, !implicit);
  smtp_server_tls_started (run->server);
  g_assert_false (smtp_server_wants_tls (run->server));
}

static void
run_host (Run *run, const gchar *text)
{
  g_ptr_array_add (run->answers, g_strdup (text));
}

static void
expect_closed (Run *run, const gchar *text)
{
  g_assert_true (smtp_server_is_closing (run->server));
}

static void
expect_open (Run *run, const gchar *text)
{
  g_assert_false (smtp_server_is_closing (run->server));
}

static void
offer (Run *run, const gchar *text)
{
  if (g_str_equal (text, "none"))
    run->offered = (SmtpCapabilities){ 0, 0 };
  else
    smtp_capabilities_parse_line (&run->offered, text, strlen (text));
}

static void
set_mechanisms (Run *run, const gchar *text)
{
  g_free (run->mechanisms);
  run->mechanisms = g_strdup (text);
}

/* "VERB places" */
static void
add_command (Run *run, const gchar *text)
{
  guint i = 0;

  while (run->commands[i].verb != NULL)
    i++;
  g_assert_cmpuint (i, <, G_N_ELEMENTS (run->commands) - 1);
  run->commands[i].verb = g_strndup (text, strcspn (text, " "));
  run->commands[i].places = (guint) strtoul (strchr (text, ' '), NULL, 10);
  run->limits.commands = run->commands;
}

static const struct
{
  const gchar *prefix;
  void (*act) (Run *run, const gchar *text);
  gboolean feeds; /* what the C: lines before it gathered */
} directives[] = {
  { "C:", client_line, FALSE },
  { "S:", expect_output, TRUE },
  { "E:", expect_event, TRUE },
  { "HOST:", run_host, FALSE },
  { "LIMIT:", set_limit, TRUE },
  { "OFFER:", offer, TRUE },
  { "START:", start, TRUE },
  { "TLS:", start_tls, TRUE },
  { "OPEN:", expect_open, TRUE },
  { "CLOSED:", expect_closed, TRUE },
  { "MECHANISMS:", set_mechanisms, TRUE },
  { "COMMAND:", add_command, TRUE },
};

static void
run_line (Run *run, const gchar *line)
{
  if (*line == '\0' || *line == '#')
    return;
  for (guint i = 0; i < G_N_ELEMENTS (directives); i++)
    {
      gsize length = strlen (directives[i].prefix);
      if (strncmp (line, directives[i].prefix, length) != 0)
        continue;
      if (directives[i].feeds)
        feed (run);
      line += length;
      directives[i].act (run, line + (*line == ' '));
      return;
    }
  g_error ("%s: not a line of a script: %s", run->where, line);
}

/* Returns the log of events. Caller frees. */
static gchar *
run_script (const gchar *where, gchar **lines, Cut cut, gboolean late)
{
  Run run = { .where = where, .cut = cut, .late = late };
  run.limits = (SmtpServerLimits){ .recipients = 10, .line_length = 512, .bad_commands = 20 };
  run.limits.require_helo = TRUE;
  run.offered.flags = SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE | SMTP_CAP_SMTPUTF8
                      | SMTP_CAP_DSN | SMTP_CAP_ENHANCEDSTATUSCODES;
  run.server = smtp_server_new (&run.limits);
  run.input = g_byte_array_new ();
  run.output = g_string_new (NULL);
  run.events = g_ptr_array_new_with_free_func (g_free);
  run.content = g_byte_array_new ();
  run.answers = g_ptr_array_new_with_free_func (g_free);
  run.log = g_string_new (NULL);

  for (; *lines != NULL; lines++)
    run_line (&run, *lines);
  feed (&run);
  check_done (&run);
  g_assert_cmpuint (run.answers->len, ==, 0);

  smtp_server_free (run.server);
  g_free (run.mechanisms);
  for (guint i = 0; i < G_N_ELEMENTS (run.commands); i++)
    g_free ((gchar *) run.commands[i].verb);
  g_byte_array_unref (run.input);
  g_string_free (run.output, TRUE);
  g_ptr_array_unref (run.events);
  g_byte_array_unref (run.content);
  g_ptr_array_unref (run.answers);
  return g_string_free (run.log, FALSE);
}

typedef struct
{
  gchar *where;
  gchar **lines;
} Script;

static void
test_script (gconstpointer data)
{
  const Script *script = data;
  g_autofree gchar *whole = run_script (script->where, script->lines, CUT_WHOLE, FALSE);

  for (guint i = 1; i < 12; i++)
    {
      Cut cut = i / 2 == 0 ? CUT_WHOLE : i / 2 == 1 ? CUT_BYTES : CUT_RANDOM;
      g_autofree gchar *log = run_script (script->where, script->lines, cut, i % 2);
      g_assert_cmpstr (log, ==, whole);
    }
}

static void
script_free (gpointer data)
{
  Script *script = data;

  g_free (script->where);
  g_strfreev (script->lines);
  g_free (script);
}

/* A file holds scripts, each under a line "== title". */
static void
add_file (const gchar *folder, const gchar *name)
{
  g_autofree gchar *file = g_build_filename (folder, name, NULL);
  g_autofree gchar *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (file, &text, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) scripts = g_strsplit (text, "== ", -1);
  g_assert_cmpuint (g_strv_length (scripts), >, 1);
  for (gchar **p = scripts + 1; *p != NULL; p++)
    {
      gchar *end = strchr (*p, '\n');
      g_assert_nonnull (end);
      *end = '\0';
      Script *script = g_new (Script, 1);
      script->where = g_strdup_printf ("%s: %s", name, *p);
      script->lines = g_strsplit (end + 1, "\n", -1);
      g_autofree gchar *path = g_strdup_printf ("/smtp/conversations/%s/%s", name, *p);
      g_test_add_data_func_full (path, script, test_script, script_free);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autofree gchar *folder = g_test_build_filename (G_TEST_DIST, "server", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const gchar *name;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".txt"))
      add_file (folder, name);
  return g_test_run ();
}
