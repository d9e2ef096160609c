/* Has every hook, and writes into the note "calls" which ran with what: so tests see hooks,
 * questions, state and notes. */
#include <string.h>
#include <unistd.h>

#include <gmime/gmime.h>
#include <mailweir/filter.h>

typedef struct
{
  guint calls;
} State;

static WeirVerdict
note (WeirContext *context, const char *hook, const char *argument)
{
  State *state = weir_state (context);
  const char *before = weir_note (context, "calls");

  state->calls++;
  weir_set_note (context, "who", "%s %s %s %u %s %s", weir_client_address (context),
                 weir_helo (context), weir_sender (context), weir_recipient_count (context),
                 weir_recipient (context, 0), weir_user (context));
  weir_set_note (context, "calls", "%s%s%s(%s)", before == NULL ? "" : before,
                 before == NULL ? "" : " ", hook, argument);
  return WEIR_PASS;
}

static gboolean
start (gpointer config, GError **error)
{
  return TRUE;
}

/* Every question, in one note. */
static WeirVerdict
connect_hook (WeirContext *context)
{
  weir_set_note (
      context, "questions", "%s %s %s %s %s %u %s %s %s %s %s %s", weir_filter_name (context),
      weir_listener (context), weir_hostname (context), weir_session_id (context),
      weir_client_address (context), weir_client_port (context), weir_client_name (context),
      weir_helo (context) == NULL ? "-" : weir_helo (context),
      weir_user (context) == NULL ? "-" : weir_user (context), weir_tls_protocol (context),
      weir_tls_cipher (context), weir_sender (context) == NULL ? "-" : weir_sender (context));
  if (weir_header_count (context) != 0 || weir_message_size (context) != 0
      || weir_message_read (context, 0, NULL, 0) != -1 || weir_message_mime (context) != NULL
      || weir_header_find (context, "From", 0) != WEIR_NO_HEADER)
    return weir_reply (context, 554, NULL, "there is a message at connect");
  weir_log (context, "connected");
  return note (context, "connect", "");
}

static WeirVerdict
helo (WeirContext *context, const char *domain)
{
  return note (context, "helo", domain);
}

static WeirVerdict
ehlo (WeirContext *context, const char *domain)
{
  return note (context, "ehlo", domain);
}

static WeirVerdict
mail (WeirContext *context, const char *sender)
{
  int descriptor = dup (0);

  weir_set_state_descriptor (context, -1);
  weir_set_state_descriptor (context, descriptor);
  weir_set_state_descriptor (context, dup (descriptor));
  return note (context, "mail", weir_sender_parameters (context)[0]);
}

static WeirVerdict
rcpt (WeirContext *context, const char *recipient)
{
  return note (context, "rcpt", recipient);
}

static WeirVerdict
data (WeirContext *context)
{
  weir_set_note (context, "descriptor", "%d", weir_state_descriptor (context) >= 0);
  return note (context, "data", "");
}

static WeirVerdict
header (WeirContext *context, const char *name, const char *value)
{
  g_autofree char *text = g_strdup_printf ("%u:%s=%s", weir_header_index (context), name, value);

  return note (context, "header", text);
}

static WeirVerdict
end_of_headers (WeirContext *context)
{
  g_autofree char *text
      = g_strdup_printf ("%s,%s", weir_header_name (context, 0), weir_header_raw (context, 0));

  return note (context, "eoh", text);
}

static WeirVerdict
body (WeirContext *context, const guint8 *chunk, gsize length)
{
  g_autofree char *text = g_strndup ((const char *) chunk, length);

  return note (context, "body", text);
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  char start_of_it[5] = { 0 };
  GMimeMessage *message = weir_message_mime (context);
  g_autoptr (GBytes) content
      = message == NULL ? NULL
                        : weir_part_content (context, g_mime_message_get_mime_part (message));
  g_autofree char *words = weir_decode_words ("=?utf-8?B?QQ==?= =?utf-8?B?Qg==?=");
  g_autofree char *text = NULL;

  weir_message_read (context, 0, start_of_it, 4);
  text = g_strdup_printf ("%" G_GUINT64_FORMAT ",%s,%s,%s,%zu", weir_message_size (context),
                          start_of_it, words, message == NULL ? "unread" : "read",
                          content == NULL ? 0 : g_bytes_get_size (content));
  return note (context, "eom", text);
}

static WeirVerdict
rset (WeirContext *context)
{
  return note (context, "rset", "");
}

static WeirVerdict
noop (WeirContext *context, const char *argument)
{
  return note (context, "noop", argument);
}

static WeirVerdict
vrfy (WeirContext *context, const char *argument)
{
  return note (context, "vrfy", argument);
}

static WeirVerdict
expn (WeirContext *context, const char *argument)
{
  return note (context, "expn", argument);
}

static WeirVerdict
help (WeirContext *context, const char *argument)
{
  return note (context, "help", argument);
}

static WeirVerdict
quit (WeirContext *context)
{
  return weir_close (context, 221, "2.0.0", "bye");
}

static WeirVerdict
unknown (WeirContext *context, const char *line)
{
  return note (context, "unknown", line);
}

static void
message_over (WeirContext *context, guint code, const char *text)
{
  g_autofree char *both = g_strdup_printf ("%u %s", code, text);

  note (context, "message_over", both);
}

static void
session_over (WeirContext *context)
{
  note (context, "session_over", "");
}

static WeirVerdict
status (WeirContext *context, const char *argument)
{
  weir_reply (context, 250, "2.0.0", "status of %s", argument);
  weir_reply_add_line (context, "second\nline");
  return WEIR_REPLY;
}

static const WeirCommand commands[] = {
  { "XSTATUS", WEIR_STATE_GREETED, TRUE, status },
  { NULL },
};

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "hooks",
  .summary = "notes every hook",
  .state_size = sizeof (State),
  .body_chunk = 4,
  .commands = commands,
  .start = start,
  .connect = connect_hook,
  .helo = helo,
  .ehlo = ehlo,
  .mail = mail,
  .rcpt = rcpt,
  .data = data,
  .header = header,
  .end_of_headers = end_of_headers,
  .body = body,
  .end_of_message = end_of_message,
  .rset = rset,
  .noop = noop,
  .vrfy = vrfy,
  .expn = expn,
  .help = help,
  .quit = quit,
  .unknown = unknown,
  .message_over = message_over,
  .session_over = session_over,
};
