/* Replies, reasons and log lines that a hook sets, and whether its verdict may be given there. What
 * can not be sent (a code out of range, a class that does not agree) is found when the hook
 * returns, and fails the filter. */
#include "worker/verdicts.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* Control characters become spaces; with `lines`, a line break stays one. */
static gchar *
clean (gchar *text, gboolean lines)
{
  for (gchar *at = text; *at != '\0'; at++)
    if ((guchar) *at < ' ' || *at == 127)
      *at = lines && *at == '\n' ? '\n' : ' ';
  return text;
}

static void G_GNUC_PRINTF (4, 0) set_reply (WeirContext *context, guint code, const char *enhanced,
                                            const char *format, va_list arguments)
{
  g_autofree gchar *text = clean (g_strdup_vprintf (format, arguments), TRUE);
  guint numbers[3] = { 0, 0, 0 };
  gchar more = '\0';

  g_clear_pointer (&context->reply, base_reply_free);
  if (enhanced != NULL
      && sscanf (enhanced, "%1u.%3u.%3u%c", &numbers[0], &numbers[1], &numbers[2], &more) != 3)
    code = 0; /* is refused when the hook returns */
  context->reply = base_reply_new (MIN (code, 999), numbers[0], numbers[1], numbers[2], text);
}

WeirVerdict
weir_reply (WeirContext *context, guint code, const char *enhanced, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  set_reply (context, code, enhanced, format, arguments);
  va_end (arguments);
  return WEIR_REPLY;
}

WeirVerdict
weir_close (WeirContext *context, guint code, const char *enhanced, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  set_reply (context, code, enhanced, format, arguments);
  va_end (arguments);
  return WEIR_CLOSE;
}

WeirVerdict
weir_split (WeirContext *context)
{
  if (context->hook == IPC_HOOK_RCPT && weir_recipient_count (context) > 1)
    return weir_reply (context, 452, "4.5.3", "Send this recipient separately");
  return weir_fail (context, "splits off a recipient in %s where there is none before it",
                    ipc_hook_name (context->hook));
}

void
weir_reply_add_line (WeirContext *context, const char *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  if (context->reply == NULL)
    return;
  va_start (arguments, format);
  text = clean (g_strdup_vprintf (format, arguments), FALSE);
  va_end (arguments);
  base_reply_add_line (context->reply, text);
}

WeirVerdict
weir_quarantine (WeirContext *context, const char *format, ...)
{
  va_list arguments;

  g_free (context->reason);
  va_start (arguments, format);
  context->reason = clean (g_strdup_vprintf (format, arguments), FALSE);
  va_end (arguments);
  if (strlen (context->reason) > IPC_MAX_NOTE)
    context->reason[IPC_MAX_NOTE] = '\0';
  return WEIR_QUARANTINE;
}

WeirVerdict
weir_fail (WeirContext *context, const char *format, ...)
{
  va_list arguments;

  if (context->failure != NULL)
    return WEIR_PASS;
  va_start (arguments, format);
  context->failure = clean (g_strdup_vprintf (format, arguments), FALSE);
  va_end (arguments);
  if (strlen (context->failure) > IPC_MAX_NOTE)
    context->failure[IPC_MAX_NOTE] = '\0';
  return WEIR_PASS;
}

void
weir_log (WeirContext *context, const char *format, ...)
{
  BaseRecord record;
  va_list arguments;

  base_record_begin (&record, BASE_LOG_INFO, "filter");
  base_record_string (&record, "session", context->request->session.session_id);
  base_record_string (&record, "filter", context->filter->config->name);
  va_start (arguments, format);
  base_buffer_append_vprintf (base_record_open (&record, "text"), format, arguments);
  va_end (arguments);
  base_record_close (&record);
  base_record_emit (&record);
}

void
weir_set_body_chunk (WeirContext *context, gsize octets)
{
  context->body_chunk = worker_body_chunk (octets);
}

static gboolean
is_of_transaction (IpcHook hook)
{
  return hook >= IPC_HOOK_MAIL && hook <= IPC_HOOK_END_OF_MESSAGE;
}

static gchar *
reply_problem (const WeirContext *context, WeirVerdict verdict)
{
  const BaseReply *reply = context->reply;
  gboolean refuses = reply != NULL && reply->code >= 400;

  if (reply == NULL)
    return g_strdup ("gives a reply without having set one");
  if (!base_reply_is_valid (reply)
      || (reply->code / 100 == 3 && !(reply->code == 354 && context->hook == IPC_HOOK_DATA)))
    return g_strdup_printf ("sets a reply that can not be sent (code %u)", reply->code);
  if (verdict == WEIR_REPLY && refuses
      && (context->hook == IPC_HOOK_RSET || context->hook == IPC_HOOK_QUIT))
    return g_strdup_printf ("refuses %s with %u", ipc_hook_name (context->hook), reply->code);
  return NULL;
}

gchar *
worker_verdict_problem (const WeirContext *context, WeirVerdict verdict)
{
  switch (verdict)
    {
    case WEIR_PASS:
    case WEIR_SKIP:
      return NULL;
    case WEIR_REPLY:
    case WEIR_CLOSE:
      return reply_problem (context, verdict);
    case WEIR_DISCARD:
    case WEIR_QUARANTINE:
      return is_of_transaction (context->hook)
                 ? NULL
                 : g_strdup_printf ("gives %s at %s, where there is no transaction",
                                    verdict == WEIR_DISCARD ? "discard" : "quarantine",
                                    ipc_hook_name (context->hook));
    }
  return g_strdup_printf ("gives the verdict %d, which is none", (gint) verdict);
}
