/* The filter "spamassassin": has spamd score the message as it stands, marks it in its header, and
 * refuses it or sets it aside from a score on.
 *
 * spamd that is down, is late or makes no sense is a failure of the filter: `on-failure` decides.
 * Fields X-Spam-... that came with the message never pass. */
#include <mailweir/filter.h>

#include <string.h>

#include "answer.h"
#include "common/peer.h"
#include "fields.h"
#include "trace.h"

#define CHUNK (64 * 1024)

typedef enum
{
  HEADERS_OWN,
  HEADERS_SPAMD,
  HEADERS_NONE
} Headers;

typedef struct
{
  const char *socket;
  const char *user;
  gint headers;
  const char *reject_above;
  const char *quarantine_above;
  const char *reply;
  guint64 max_size;
  gint64 reject;     /* thousandths; G_MAXINT64: never */
  gint64 quarantine; /* the same */
} Config;

static const char *const headers[] = { "own", "spamd", "none", NULL };

static const WeirOption options[]
    = { { "socket", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, socket), "127.0.0.1:783",
          "Where spamd listens: a path, or host:port." },
        { "user", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, user), NULL,
          "Whose preferences spamd shall use; nobody's by default." },
        { "headers", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, headers), "own",
          "What is added: X-Spam-Flag, X-Spam-Score and X-Spam-Status; the fields X-Spam-... that "
          "spamd makes; or none.",
          .choices = headers },
        { "reject-above", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, reject_above), NULL,
          "Refuse a message with this score (\"15.0\") or more; never by default." },
        { "quarantine-above", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, quarantine_above), NULL,
          "Set a message with this score (\"10.0\") or more aside; never by default." },
        { "reply", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, reply),
          "The message looks like spam", "The text of the refusal; %s stands for the score." },
        { "max-size", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Config, max_size), "512K",
          "Larger messages pass without a scan; spamd takes long for them, and spam is small.",
          .minimum = 1, .maximum = G_MAXINT64 },
        { NULL } };

/* ---- Loading ---- */

static gboolean
read_threshold (WeirLoad *load, const char *option, const char *text, gint64 *threshold,
                GError **error)
{
  *threshold = G_MAXINT64;
  if (text == NULL || answer_parse_score (text, threshold))
    return TRUE;
  weir_load_error (load, error, option, "%s: \"%.100s\" is no score such as \"7.5\"", option, text);
  return FALSE;
}

static gboolean
check_user (WeirLoad *load, const char *user, GError **error)
{
  for (const char *at = user == NULL ? "" : user; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at))
      {
        weir_load_error (load, error, "user", "user: \"%.100s\" is no name of a user", user);
        return FALSE;
      }
  return TRUE;
}

static gboolean
load_spamassassin (WeirLoad *load, gpointer data, GError **error)
{
  Config *config = data;
  const char *wrong = common_peer_check (config->socket);

  if (wrong != NULL)
    {
      weir_load_error (load, error, "socket", "socket: \"%.120s\" %s", config->socket, wrong);
      return FALSE;
    }
  return check_user (load, config->user, error)
         && read_threshold (load, "reject-above", config->reject_above, &config->reject, error)
         && read_threshold (load, "quarantine-above", config->quarantine_above, &config->quarantine,
                            error);
}

/* ---- Asking ---- */

static gboolean
send_message (WeirContext *context, CommonPeer *peer, GError **error)
{
  guint64 size = weir_message_size (context);
  g_autofree guint8 *buffer = g_malloc (CHUNK);

  for (guint64 at = 0; at < size;)
    {
      gssize got = weir_message_read (context, at, buffer, CHUNK);

      if (got <= 0)
        {
          g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_IO, "the message can not be read");
          return FALSE;
        }
      if (!common_peer_write (peer, buffer, (gsize) got, error))
        return FALSE;
      at += (guint64) got;
    }
  return TRUE;
}

static gboolean
send_request (WeirContext *context, CommonPeer *peer, GError **error)
{
  const Config *config = weir_config (context);
  g_autofree char *trace = trace_fields (context);
  g_autoptr (GString) head = g_string_new (NULL);

  g_string_printf (head, "%s SPAMC/1.5\r\nContent-length: %" G_GUINT64_FORMAT "\r\n",
                   config->headers == HEADERS_SPAMD ? "HEADERS" : "SYMBOLS",
                   weir_message_size (context) + strlen (trace));
  if (config->user != NULL)
    g_string_append_printf (head, "User: %s\r\n", config->user);
  g_string_append_printf (head, "\r\n%s", trace);
  if (!common_peer_write (peer, head->str, head->len, error)
      || !send_message (context, peer, error))
    return FALSE;
  common_peer_end_writing (peer);
  return TRUE;
}

/* The line in which spamd said why it takes no more of the message; NULL: it did not. */
static GString *
hear_complaint (CommonPeer *peer, const GError *problem)
{
  gboolean stopped = g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_PIPE);
  GString *said = stopped ? common_peer_read (peer, '\n', ANSWER_MAX, NULL) : NULL;

  if (said == NULL)
    return NULL;
  if (g_str_has_prefix (said->str, "SPAMD/") && !g_str_has_prefix (said->str, "SPAMD/1.1 0 "))
    return g_string_append_c (said, '\n');
  g_string_free (said, TRUE);
  return NULL;
}

/* Everything that spamd says; NULL: error. The connection is closed in any case. */
static GString *
ask (WeirContext *context, GError **error)
{
  const Config *config = weir_config (context);
  g_autoptr (CommonPeer) peer
      = common_peer_connect ("spamd", config->socket, weir_time_left (context), error);
  GError *problem = NULL;
  GString *said = NULL;

  if (peer == NULL)
    return NULL;
  if (send_request (context, peer, &problem))
    return common_peer_read (peer, COMMON_PEER_TO_THE_END, ANSWER_MAX, error);
  said = hear_complaint (peer, problem);
  if (said == NULL)
    g_propagate_error (error, problem);
  else
    g_error_free (problem);
  return said;
}

/* ---- Acting on it ---- */

static WeirVerdict
refuse (WeirContext *context, const char *score)
{
  const Config *config = weir_config (context);
  g_auto (GStrv) pieces = g_strsplit (config->reply, "%s", -1);
  g_autofree char *reply = g_strjoinv (score, pieces);

  return weir_reply (context, 550, "5.7.1", "%s", reply);
}

/* FALSE: spamd's words can not be used, or the host refuses the edit. */
static gboolean
mark (WeirContext *context, const Answer *answer, GError **error)
{
  const Config *config = weir_config (context);
  g_autofree char *tests = NULL;
  g_autoptr (GPtrArray) fields = NULL;

  if (config->headers == HEADERS_SPAMD)
    fields = answer_fields (answer, error);
  else
    tests = answer_tests (answer, error);
  if ((fields == NULL && tests == NULL) || !fields_strip (context, error))
    return FALSE;
  switch ((Headers) config->headers)
    {
    case HEADERS_OWN:
      return fields_add (context, answer, tests, error);
    case HEADERS_SPAMD:
      return fields_pass_on (context, fields, error);
    case HEADERS_NONE:
      break;
    }
  return TRUE;
}

static WeirVerdict
act (WeirContext *context, const Answer *answer)
{
  const Config *config = weir_config (context);
  g_autofree char *score = answer_score_text (answer->score);
  g_autoptr (GError) error = NULL;

  if (!mark (context, answer, &error))
    return weir_fail (context, "spamd at %s: %s", config->socket, error->message);
  weir_set_note (context, "spam-score", "%s", score);
  weir_set_note (context, "spam", "%s", answer->spam ? "yes" : "no");
  if (answer->score >= config->reject)
    return refuse (context, score);
  if (answer->score >= config->quarantine)
    return weir_quarantine (context, "spamassassin: score %s", score);
  return WEIR_PASS;
}

static WeirVerdict
pass_unscanned (WeirContext *context)
{
  g_autoptr (GError) error = NULL;

  if (!fields_strip (context, &error))
    return weir_fail (context, "%s", error->message);
  weir_set_note (context, "spam", "not scanned, too large");
  return WEIR_PASS;
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  const Config *config = weir_config (context);
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) said = NULL;
  Answer answer = { FALSE };

  if (weir_message_size (context) > config->max_size)
    return pass_unscanned (context);
  said = ask (context, &error);
  if (said == NULL)
    return weir_fail (context, "%s", error->message);
  if (!answer_read (said->str, said->len, &answer, &error))
    return weir_fail (context, "spamd at %s: %s", config->socket, error->message);
  return act (context, &answer);
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "spamassassin",
  .summary = "has spamd score messages, marks, refuses or sets aside spam",
  .edits = WEIR_EDIT_HEADERS,
  .config_size = sizeof (Config),
  .options = options,
  .load = load_spamassassin,
  .end_of_message = end_of_message,
};
