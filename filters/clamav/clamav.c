/* The filter "clamav": has clamd look at the message as it stands, and refuses it, sets it aside or
 * discards it when clamd knows it.
 *
 * Everything but a plain verdict of clamd's (it is down, is late, is over a limit of its own, makes
 * no sense) is a failure of the filter: `on-failure` decides, and the message is never taken for
 * clean. */
#include <mailweir/filter.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "common/peer.h"

#define CHUNK (64 * 1024)

typedef enum
{
  TRANSFER_AUTO,
  TRANSFER_DESCRIPTOR,
  TRANSFER_STREAM
} Transfer;

typedef enum
{
  ACTION_REJECT,
  ACTION_QUARANTINE,
  ACTION_DISCARD
} Action;

typedef enum
{
  LARGER_REJECT,
  LARGER_PASS
} Larger;

typedef struct
{
  const char *socket;
  gint transfer;
  gint action;
  const char *reply;
  guint64 max_size;
  gint larger;
} Config;

static const char *const transfers[] = { "auto", "descriptor", "stream", NULL };
static const char *const actions[] = { "reject", "quarantine", "discard", NULL };
static const char *const largers[] = { "reject", "pass", NULL };

static const WeirOption options[]
    = { { "socket", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, socket), "/run/clamav/clamd.ctl",
          "Where clamd listens: a path, or host:port." },
        { "transfer", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, transfer), "auto",
          "How clamd gets the message: as a descriptor (local sockets only), as a stream, or as a "
          "descriptor where that works.",
          .choices = transfers },
        { "action", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, action), "reject",
          "What to do with a message that clamd knows.", .choices = actions },
        { "reply", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, reply),
          "The message is infected: %s",
          "The text of the refusal; %s stands for the signature's name." },
        { "max-size", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Config, max_size), "25M",
          "Larger messages are not scanned; not over clamd's own StreamMaxLength and MaxFileSize.",
          .minimum = 1, .maximum = G_MAXINT64 },
        { "larger", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, larger), "reject",
          "What to do with a message that is over max-size.", .choices = largers },
        { NULL } };

/* A descriptor was refused before: no need to try again in this worker. */
static gboolean descriptors_refused;

static gboolean
load_clamav (WeirLoad *load, gpointer data, GError **error)
{
  const Config *config = data;
  const char *wrong = common_peer_check (config->socket);

  if (wrong != NULL)
    weir_load_error (load, error, "socket", "socket: \"%.120s\" %s", config->socket, wrong);
  else if (config->transfer == TRANSFER_DESCRIPTOR && !common_peer_is_local (config->socket))
    weir_load_error (load, error, "transfer",
                     "transfer: a descriptor can only be sent to a local socket");
  else
    return TRUE;
  return FALSE;
}

/* ---- Sending ---- */

static gboolean
send_descriptor (WeirContext *context, CommonPeer *peer, GError **error)
{
  int descriptor = weir_message_descriptor (context);
  gboolean sent = FALSE;

  if (descriptor < 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_IO, "no descriptor of the message: %s",
                   g_strerror (errno));
      return FALSE;
    }
  sent = common_peer_write (peer, "zFILDES", sizeof "zFILDES", error)
         && common_peer_send_descriptor (peer, descriptor, error);
  close (descriptor);
  return sent;
}

/* Chunks, each behind its length; one of length 0 ends them. */
static gboolean
send_stream (WeirContext *context, CommonPeer *peer, GError **error)
{
  guint64 size = weir_message_size (context);
  g_autofree guint8 *buffer = g_malloc (sizeof (guint32) + CHUNK);
  guint32 length = 0;

  if (!common_peer_write (peer, "zINSTREAM", sizeof "zINSTREAM", error))
    return FALSE;
  for (guint64 at = 0; at < size; at += GUINT32_FROM_BE (length))
    {
      gssize got = weir_message_read (context, at, buffer + sizeof length, CHUNK);

      if (got <= 0)
        {
          g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_IO, "the message can not be read");
          return FALSE;
        }
      length = GUINT32_TO_BE ((guint32) got);
      memcpy (buffer, &length, sizeof length);
      if (!common_peer_write (peer, buffer, sizeof length + (gsize) got, error))
        return FALSE;
    }
  length = 0;
  return common_peer_write (peer, &length, sizeof length, error);
}

/* ---- A scan ---- */

/* What clamd had to say when it stopped listening; `error` if it said nothing, or something that
 * can not be about the whole message. */
static gboolean
hear_complaint (CommonPeer *peer, char **text, GError **error, GError *problem)
{
  gboolean stopped = g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_PIPE);
  g_autoptr (GString) said = stopped ? common_peer_read (peer, '\0', ANSWER_MAX, NULL) : NULL;

  if (said != NULL && answer_read (said->str, said->len, text) == ANSWER_ERROR)
    {
      g_error_free (problem);
      return TRUE;
    }
  g_clear_pointer (text, g_free);
  g_propagate_error (error, problem);
  return FALSE;
}

/* FALSE: there is no answer. The connection is closed in any case, which tells clamd that nobody
 * waits any more. */
static gboolean
scan (WeirContext *context, gboolean stream, Answer *answer, char **text, GError **error)
{
  const Config *config = weir_config (context);
  g_autoptr (CommonPeer) peer
      = common_peer_connect ("clamd", config->socket, weir_time_left (context), error);
  g_autoptr (GString) said = NULL;
  GError *problem = NULL;

  if (peer == NULL)
    return FALSE;
  if (!(stream ? send_stream : send_descriptor) (context, peer, &problem))
    {
      *answer = ANSWER_ERROR;
      return hear_complaint (peer, text, error, problem);
    }
  said = common_peer_read (peer, '\0', ANSWER_MAX, error);
  if (said != NULL)
    *answer = answer_read (said->str, said->len, text);
  return said != NULL;
}

static gboolean
begins_with_stream (const Config *config)
{
  return config->transfer == TRANSFER_STREAM || !common_peer_is_local (config->socket)
         || (config->transfer == TRANSFER_AUTO && descriptors_refused);
}

static gboolean
scan_somehow (WeirContext *context, Answer *answer, char **text, GError **error)
{
  const Config *config = weir_config (context);
  gboolean stream = begins_with_stream (config);

  if (!scan (context, stream, answer, text, error))
    return FALSE;
  if (stream || config->transfer != TRANSFER_AUTO || *answer != ANSWER_ERROR
      || !answer_refuses_descriptor (*text))
    return TRUE;
  weir_log (context, "clamd at %s takes no descriptor, sending the bytes instead: %s",
            config->socket, *text);
  descriptors_refused = TRUE;
  g_clear_pointer (text, g_free);
  return scan (context, TRUE, answer, text, error);
}

/* ---- Acting on it ---- */

static WeirVerdict
act (WeirContext *context, const char *signature)
{
  const Config *config = weir_config (context);
  g_auto (GStrv) pieces = NULL;
  g_autofree char *reply = NULL;

  weir_set_note (context, "clamav", "%s", signature);
  switch ((Action) config->action)
    {
    case ACTION_QUARANTINE:
      return weir_quarantine (context, "clamav: %s", signature);
    case ACTION_DISCARD:
      return WEIR_DISCARD;
    case ACTION_REJECT:
      break;
    }
  pieces = g_strsplit (config->reply, "%s", -1);
  reply = g_strjoinv (signature, pieces);
  return weir_reply (context, 550, "5.7.1", "%s", reply);
}

static WeirVerdict
too_large (WeirContext *context)
{
  const Config *config = weir_config (context);

  weir_set_note (context, "clamav", "not scanned, too large");
  if (config->larger == LARGER_PASS)
    return WEIR_PASS;
  return weir_reply (context, 552, "5.3.4",
                     "The message is too large to be scanned, at most %" G_GUINT64_FORMAT
                     " octets are accepted here",
                     config->max_size);
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  const Config *config = weir_config (context);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  Answer answer = ANSWER_ERROR;

  if (weir_message_size (context) > config->max_size)
    return too_large (context);
  if (!scan_somehow (context, &answer, &text, &error))
    return weir_fail (context, "%s", error->message);
  switch (answer)
    {
    case ANSWER_FOUND:
      return act (context, text);
    case ANSWER_ERROR:
      return weir_fail (context, "clamd at %s can not tell: %s", config->socket, text);
    case ANSWER_CLEAN:
      break;
    }
  weir_set_note (context, "clamav", "clean");
  return WEIR_PASS;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "clamav",
  .summary = "has clamd scan messages for viruses",
  .config_size = sizeof (Config),
  .options = options,
  .load = load_clamav,
  .end_of_message = end_of_message,
};
