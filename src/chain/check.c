/* Whether a record fits what its filter declared and what the hook allows. Knows no state: the
 * first thing that does not fit is the answer. */
#include "chain/check.h"

#include <string.h>

#include "base/address.h"
#include "smtp/parameters.h"

static gboolean
hook_is_of_transaction (IpcHook hook)
{
  return hook == IPC_HOOK_MAIL || hook == IPC_HOOK_RCPT || hook == IPC_HOOK_DATA
         || hook == IPC_HOOK_END_OF_HEADERS || hook == IPC_HOOK_END_OF_MESSAGE;
}

static gboolean
hook_may_edit_envelope (IpcHook hook)
{
  return hook == IPC_HOOK_DATA || hook == IPC_HOOK_END_OF_HEADERS
         || hook == IPC_HOOK_END_OF_MESSAGE;
}

static const gchar *
bad_reply (IpcHook hook, const BaseReply *reply)
{
  if (reply == NULL || !base_reply_is_valid (reply))
    return "a reply that can not be sent";
  if (reply->code / 100 == 3 && !(hook == IPC_HOOK_DATA && reply->code == 354))
    return "a 3xx reply";
  return NULL;
}

static const gchar *
bad_verdict (IpcHook hook, const IpcRecord *record)
{
  if (ipc_hook_is_over (hook))
    return record->verdict == IPC_VERDICT_PASS ? NULL : "a verdict where none is asked for";
  switch (record->verdict)
    {
    case IPC_VERDICT_PASS:
    case IPC_VERDICT_SKIP:
      return NULL;
    case IPC_VERDICT_REPLY:
    case IPC_VERDICT_CLOSE:
      return bad_reply (hook, record->reply);
    case IPC_VERDICT_DISCARD:
    case IPC_VERDICT_QUARANTINE:
      return hook_is_of_transaction (hook) ? NULL : "discard or quarantine outside a transaction";
    }
  return "an unknown verdict";
}

static gboolean
address_is_good (const BasePath *path, BasePathFlags flags)
{
  g_autofree gchar *bracketed = g_strdup_printf ("<%s>", path->address);
  gsize used = 0;
  g_autofree gchar *address
      = base_path_parse (bracketed, strlen (bracketed), flags | BASE_PATH_UTF8, &used, NULL);
  return address != NULL && used == strlen (bracketed);
}

/* A filter's parameters are written to the next server as they are. */
static gboolean
parameters_are_good (const BasePath *path, SmtpParameterSide side)
{
  g_autoptr (BaseReply) refusal = smtp_parameters_check (path, side, G_MAXUINT32, 0);
  return refusal == NULL;
}

static gboolean
sender_is_good (const BasePath *path)
{
  return address_is_good (path, BASE_PATH_NULL)
         && parameters_are_good (path, SMTP_PARAMETER_OF_MAIL);
}

static gboolean
recipient_is_good (const BasePath *path)
{
  return address_is_good (path, BASE_PATH_POSTMASTER)
         && parameters_are_good (path, SMTP_PARAMETER_OF_RCPT);
}

static const gchar *
bad_envelope (const ChainFilter *filter, IpcHook hook, const IpcRecord *record)
{
  if (record->sender == NULL && record->recipients == NULL)
    return NULL;
  if (!hook_may_edit_envelope (hook))
    return "an edited envelope before data";
  if (record->sender != NULL && (filter->edits & IPC_EDIT_SENDER) == 0)
    return "an edit of the sender, which it does not declare";
  if (record->recipients != NULL && (filter->edits & IPC_EDIT_RECIPIENTS) == 0)
    return "an edit of the recipients, which it does not declare";
  if (record->sender != NULL && !sender_is_good (record->sender))
    return "a sender that is no address, or with bad parameters";
  for (guint i = 0; record->recipients != NULL && i < record->recipients->len; i++)
    if (!recipient_is_good (record->recipients->pdata[i]))
      return "a recipient that is no address, or with bad parameters";
  return NULL;
}

/* Only whole CRLF pairs: what is wrong only at a seam is found by the writer (message/writer.h). */
static gboolean
insertion_is_clean (GBytes *inserted)
{
  gsize length = 0;
  const gchar *bytes = inserted == NULL ? NULL : g_bytes_get_data (inserted, &length);
  for (gsize i = 0; i < length; i++)
    {
      if (bytes[i] == '\n')
        return FALSE;
      if (bytes[i] != '\r')
        continue;
      if (i + 1 >= length || bytes[i + 1] != '\n')
        return FALSE;
      i++;
    }
  return TRUE;
}

static const gchar *
bad_edits (const ChainFilter *filter, IpcHook hook, guint64 size, const IpcRecord *record)
{
  if (record->edits == NULL)
    return NULL;
  if (hook != IPC_HOOK_END_OF_HEADERS && hook != IPC_HOOK_END_OF_MESSAGE)
    return "an edited message where there is none";
  if ((filter->edits & IPC_EDITS_OF_CONTENT) == 0)
    return "an edit of the message, which it does not declare";
  if (!message_edits_fit (record->edits, size))
    return "an edit outside the message";
  for (guint i = 0; i < message_edits_count (record->edits); i++)
    if (!insertion_is_clean (message_edits_nth (record->edits, i)->inserted))
      return "an edit that brings in a bare CR or LF";
  return NULL;
}

const gchar *
chain_check_record (const ChainFilter *filter, IpcHook hook, guint64 size, const IpcRecord *record)
{
  const gchar *why = bad_verdict (hook, record);
  if (why == NULL)
    why = bad_envelope (filter, hook, record);
  if (why == NULL)
    why = bad_edits (filter, hook, size, record);
  if (why == NULL && record->state != NULL
      && g_bytes_get_size (record->state) != filter->state_size)
    why = "a state of another size";
  return why;
}
