/* The filter "trace": logs every hook with its arguments, and answers at one of them if told so.
 *
 * An example that has every hook once, and the tool with which tests provoke any verdict anywhere.
 * It never logs what a message says: of header values and body chunks only the length. */
#include <mailweir/filter.h>

#include <stdlib.h>
#include <string.h>

#define MAX_SHOWN 80 /* octets of an argument */

typedef enum
{
  VERDICT_REPLY,
  VERDICT_CLOSE,
  VERDICT_SKIP,
  VERDICT_DISCARD,
  VERDICT_QUARANTINE
} Verdict;

typedef struct
{
  const char *const *hooks;
  gboolean bodies;
  const char *reply_at;
  const char *reply;
  gint verdict;
} Config;

typedef struct
{
  guint32 calls; /* in this session, in whatever worker */
} State;

static const char *const verdicts[] = { "reply", "close", "skip", "discard", "quarantine", NULL };

static const char *const hook_names[]
    = { "connect",      "helo",           "ehlo", "mail",           "rcpt",    "data",
        "header",       "end_of_headers", "body", "end_of_message", "rset",    "noop",
        "vrfy",         "expn",           "help", "quit",           "unknown", "xtrace",
        "message_over", "session_over",   NULL };

static const WeirOption options[]
    = { { "hooks", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, hooks), NULL,
          "The hooks to log (\"mail\", \"end_of_message\"); all when empty." },
        { "bodies", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Config, bodies), "false",
          "Log each chunk of the body, by its length." },
        { "reply-at", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, reply_at), NULL,
          "The hook at which to give the verdict." },
        { "reply", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, reply), "550 5.7.1 traced",
          "The reply, or the reason of a quarantine; \\n begins a new line." },
        { "verdict", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, verdict), "reply", "The verdict.",
          .choices = verdicts },
        { NULL } };

/* ---- The configured reply ---- */

typedef struct
{
  guint code;
  char enhanced[16]; /* "": none */
  const char *text;
} Reply;

static gboolean
is_enhanced (const char *text, gsize length)
{
  guint dots = 0;

  for (gsize i = 0; i < length; i++)
    {
      if (text[i] == '.' && i > 0 && text[i - 1] != '.')
        dots++;
      else if (!g_ascii_isdigit (text[i]))
        return FALSE;
    }
  return dots == 2 && length < sizeof ((Reply *) NULL)->enhanced && text[length - 1] != '.';
}

static gboolean
parse_reply (const char *text, Reply *reply)
{
  char *end;
  gsize word;

  *reply = (Reply){ .code = (guint) strtoul (text, &end, 10) };
  if (end != text + 3 || reply->code < 200 || reply->code > 599 || (*end != ' ' && *end != '\0'))
    return FALSE;
  text = *end == ' ' ? end + 1 : end;
  word = strcspn (text, " ");
  if (word > 0 && is_enhanced (text, word))
    {
      memcpy (reply->enhanced, text, word);
      text += word + (text[word] == ' ');
    }
  reply->text = text;
  return TRUE;
}

static gboolean
check_hook (WeirLoad *load, const char *option, const char *name, GError **error)
{
  if (g_strv_contains (hook_names, name))
    return TRUE;
  weir_load_error (load, error, option, "%s: there is no hook \"%.100s\"", option, name);
  return FALSE;
}

static gboolean
load_trace (WeirLoad *load, gpointer data, GError **error)
{
  const Config *config = data;
  Reply reply;

  for (const char *const *hook = config->hooks; *hook != NULL; hook++)
    if (!check_hook (load, "hooks", *hook, error))
      return FALSE;
  if (config->reply_at != NULL && !check_hook (load, "reply-at", config->reply_at, error))
    return FALSE;
  if (config->verdict > VERDICT_CLOSE || parse_reply (config->reply, &reply))
    return TRUE;
  weir_load_error (load, error, "reply", "reply: \"%.100s\" does not read \"550 5.7.1 text\"",
                   config->reply);
  return FALSE;
}

/* ---- Logging and answering ---- */

/* Escaped and short; caller frees. */
static char *
show (const char *text)
{
  g_autofree char *start = g_strndup (text, MAX_SHOWN);
  g_autofree char *escaped = g_strescape (start, NULL);

  return g_strdup_printf ("\"%s\"%s", escaped, strlen (text) > MAX_SHOWN ? "..." : "");
}

static gboolean
wanted (const Config *config, const char *hook)
{
  return *config->hooks == NULL || g_strv_contains (config->hooks, hook);
}

static void
trace (WeirContext *context, const char *hook, const char *argument)
{
  const Config *config = weir_config (context);
  State *state = weir_state (context);

  state->calls++;
  if (wanted (config, hook))
    weir_log (context, "call %u: %s%s%s", state->calls, hook, *argument == '\0' ? "" : " ",
              argument);
}

static WeirVerdict
answer_reply (WeirContext *context, const Config *config)
{
  Reply reply = { .code = 550, .text = "" };
  const char *enhanced;

  parse_reply (config->reply, &reply);
  enhanced = *reply.enhanced == '\0' ? NULL : reply.enhanced;
  if (config->verdict == VERDICT_CLOSE)
    return weir_close (context, reply.code, enhanced, "%s", reply.text);
  return weir_reply (context, reply.code, enhanced, "%s", reply.text);
}

static WeirVerdict
answer (WeirContext *context, const char *hook)
{
  const Config *config = weir_config (context);

  if (g_strcmp0 (config->reply_at, hook) != 0)
    return WEIR_PASS;
  switch ((Verdict) config->verdict)
    {
    case VERDICT_SKIP:
      return WEIR_SKIP;
    case VERDICT_DISCARD:
      return WEIR_DISCARD;
    case VERDICT_QUARANTINE:
      return weir_quarantine (context, "%s", config->reply);
    case VERDICT_REPLY:
    case VERDICT_CLOSE:
      break;
    }
  return answer_reply (context, config);
}

static WeirVerdict
trace_text (WeirContext *context, const char *hook, const char *argument)
{
  g_autofree char *shown = show (argument);

  trace (context, hook, shown);
  return answer (context, hook);
}

/* ---- The hooks ---- */

static WeirVerdict
on_connect (WeirContext *context)
{
  g_autofree char *client = g_strdup_printf ("%s [%s]:%u at %s", weir_client_name (context),
                                             weir_client_address (context),
                                             weir_client_port (context), weir_listener (context));

  return trace_text (context, "connect", client);
}

static WeirVerdict
on_helo (WeirContext *context, const char *domain)
{
  return trace_text (context, "helo", domain);
}

static WeirVerdict
on_ehlo (WeirContext *context, const char *domain)
{
  return trace_text (context, "ehlo", domain);
}

/* An address with its parameters. */
static WeirVerdict
trace_path (WeirContext *context, const char *hook, const char *address,
            const char *const *parameters)
{
  g_autofree char *joined
      = parameters == NULL ? g_strdup ("") : g_strjoinv (" ", (char **) parameters);
  g_autofree char *path = g_strdup_printf ("<%s>%s%s", address, *joined == '\0' ? "" : " ", joined);

  return trace_text (context, hook, path);
}

static WeirVerdict
on_mail (WeirContext *context, const char *sender)
{
  return trace_path (context, "mail", sender, weir_sender_parameters (context));
}

static WeirVerdict
on_rcpt (WeirContext *context, const char *recipient)
{
  guint count = weir_recipient_count (context);

  return trace_path (context, "rcpt", recipient,
                     count == 0 ? NULL : weir_recipient_parameters (context, count - 1));
}

static WeirVerdict
on_data (WeirContext *context)
{
  g_autofree char *recipients = g_strdup_printf ("%u recipients", weir_recipient_count (context));

  trace (context, "data", recipients);
  return answer (context, "data");
}

static WeirVerdict
on_header (WeirContext *context, const char *name, const char *value)
{
  g_autofree char *shown = show (name);
  g_autofree char *field = g_strdup_printf ("%s, %zu octets", shown, strlen (value));

  trace (context, "header", field);
  return answer (context, "header");
}

static WeirVerdict
on_end_of_headers (WeirContext *context)
{
  g_autofree char *fields = g_strdup_printf ("%u fields", weir_header_count (context));

  trace (context, "end_of_headers", fields);
  return answer (context, "end_of_headers");
}

static WeirVerdict
on_body (WeirContext *context, const guint8 *chunk, gsize length)
{
  const Config *config = weir_config (context);
  g_autofree char *octets = g_strdup_printf ("%zu octets", length);

  if (config->bodies)
    trace (context, "body", octets);
  return answer (context, "body");
}

static WeirVerdict
on_end_of_message (WeirContext *context)
{
  g_autofree char *size
      = g_strdup_printf ("%" G_GUINT64_FORMAT " octets%s", weir_message_size (context),
                         weir_message_mime (context) == NULL ? ", no MIME" : "");

  trace (context, "end_of_message", size);
  return answer (context, "end_of_message");
}

static WeirVerdict
on_rset (WeirContext *context)
{
  trace (context, "rset", "");
  return answer (context, "rset");
}

static WeirVerdict
on_noop (WeirContext *context, const char *argument)
{
  return trace_text (context, "noop", argument);
}

static WeirVerdict
on_vrfy (WeirContext *context, const char *argument)
{
  return trace_text (context, "vrfy", argument);
}

static WeirVerdict
on_expn (WeirContext *context, const char *argument)
{
  return trace_text (context, "expn", argument);
}

static WeirVerdict
on_help (WeirContext *context, const char *argument)
{
  return trace_text (context, "help", argument);
}

static WeirVerdict
on_quit (WeirContext *context)
{
  trace (context, "quit", "");
  return answer (context, "quit");
}

static WeirVerdict
on_unknown (WeirContext *context, const char *line)
{
  return trace_text (context, "unknown", line);
}

static void
on_message_over (WeirContext *context, guint code, const char *text)
{
  g_autofree char *shown = show (text);
  g_autofree char *reply = g_strdup_printf ("%u %s", code, shown);

  trace (context, "message_over", reply);
}

static void
on_session_over (WeirContext *context)
{
  trace (context, "session_over", "");
}

/* A command of the module's own: how often it was called in this session. */
static WeirVerdict
on_xtrace (WeirContext *context, const char *argument)
{
  const State *state = weir_state (context);
  WeirVerdict verdict = trace_text (context, "xtrace", argument);

  if (verdict != WEIR_PASS)
    return verdict;
  return weir_reply (context, 250, "2.0.0", "%u calls", state->calls);
}

static const WeirCommand commands[] = {
  { "XTRACE", WEIR_STATE_GREETED | WEIR_STATE_TRANSACTION, FALSE, on_xtrace },
  { NULL },
};

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "trace",
  .summary = "logs every hook with its arguments, and gives any verdict at any of them",
  .config_size = sizeof (Config),
  .state_size = sizeof (State),
  .options = options,
  .commands = commands,
  .load = load_trace,
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
  .rset = on_rset,
  .noop = on_noop,
  .vrfy = on_vrfy,
  .expn = on_expn,
  .help = on_help,
  .quit = on_quit,
  .unknown = on_unknown,
  .message_over = on_message_over,
  .session_over = on_session_over,
};
