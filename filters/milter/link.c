/* See link.h. The session's state and the socket bear the same number, which both change at each
 * use: a call that was cut off (a worker that was killed, a hook that failed) has changed the
 * socket's alone, and nobody ever takes the answer to a question of that call for one to his own.
 */
#include "link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "values.h"

#define WHAT "milter"
#define ROOM (64 * 1024) /* octets that wait to be sent together */

/* ---- The number. A non-blocking socket has no use for its receive timeout, and shares it among
 * all processes that hold the connection. ---- */

static void
set_mark (int descriptor, guint32 turn)
{
  struct timeval mark = { .tv_sec = turn };

  setsockopt (descriptor, SOL_SOCKET, SO_RCVTIMEO, &mark, sizeof mark);
}

/* The number agrees, and the milter has neither closed nor said anything unasked. */
static gboolean
is_good (int descriptor, guint32 turn)
{
  struct timeval mark = { 0 };
  socklen_t size = sizeof mark;
  char octet = 0;

  return getsockopt (descriptor, SOL_SOCKET, SO_RCVTIMEO, &mark, &size) == 0
         && mark.tv_sec == (time_t) turn
         && recv (descriptor, &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0
         && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* ---- One call ---- */

static void
take_up (Link *link)
{
  int descriptor = weir_state_descriptor (link->context);
  LinkState *state = link->state;

  if (descriptor >= 0 && state->stage > LINK_NONE && is_good (descriptor, state->turn))
    {
      link->peer = common_peer_adopt (WHAT, link->config->address, descriptor,
                                      weir_time_left (link->context));
      set_mark (descriptor, ++state->turn);
      return;
    }
  if (descriptor >= 0)
    shutdown (descriptor, SHUT_RDWR);
  state->stage = LINK_NONE;
}

void
link_init (Link *link, WeirContext *context)
{
  memset (link, 0, sizeof *link);
  link->context = context;
  link->config = weir_config (context);
  link->state = weir_state (context);
  link->helo = weir_helo (context);
  link->out = g_byte_array_new ();
  link->in = g_byte_array_new ();
  link->strings = g_ptr_array_new_with_free_func (g_free);
  values_fill (link);
  take_up (link);
}

/* One that was there before is the host's. */
static int
let_go (Link *link)
{
  int descriptor = common_peer_release (link->peer);

  link->peer = NULL;
  return descriptor;
}

void
link_clear (Link *link)
{
  if (link->peer != NULL && link->ours)
    g_clear_pointer (&link->peer, common_peer_free);
  else if (link->peer != NULL)
    shutdown (let_go (link), SHUT_RDWR);
  g_clear_pointer (&link->out, g_byte_array_unref);
  g_clear_pointer (&link->in, g_byte_array_unref);
  g_clear_pointer (&link->strings, g_ptr_array_unref);
}

static gboolean
fail (const Link *link, GError **error, const char *text)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, WHAT " at %s: %s", link->config->address,
               text);
  return FALSE;
}

static gboolean
flush_out (Link *link, GError **error)
{
  gboolean sent = TRUE;

  if (link->out->len == 0)
    return TRUE;
  common_peer_wait_at_most (link->peer, link->config->command_timeout);
  sent = common_peer_write (link->peer, link->out->data, link->out->len, error);
  g_byte_array_set_size (link->out, 0);
  return sent;
}

gboolean
link_finish (Link *link, GError **error)
{
  if (link->peer == NULL)
    return TRUE;
  if (!flush_out (link, error))
    return FALSE;
  if (link->in->len > link->taken)
    return fail (link, error, "it says more than it was asked for");
  weir_set_state_descriptor (link->context, let_go (link));
  return TRUE;
}

/* ---- Hearing ---- */

/* A milter's changes and its verdict are small writes, each of which may wait for the one before it
 * to be acknowledged. */
static void
acknowledge_at_once (const Link *link)
{
  int yes = 1;

  if (link->event == EVENT_END && !common_peer_is_local (link->config->address))
    setsockopt (common_peer_descriptor (link->peer), IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
}

/* The next packet; it borrows from link->in until the next call. */
static gboolean
hear_packet (Link *link, gint64 patience, Packet *packet, GError **error)
{
  guint8 buffer[16384];
  gssize got = 0;

  g_byte_array_remove_range (link->in, 0, (guint) link->taken);
  link->taken = 0;
  common_peer_wait_at_most (link->peer, patience);
  for (;;)
    {
      got = packet_take (link->in->data, link->in->len, packet, error);
      if (got < 0)
        g_prefix_error (error, WHAT " at %s says ", link->config->address);
      if (got != 0)
        break;
      acknowledge_at_once (link);
      got = common_peer_read_some (link->peer, buffer, sizeof buffer, error);
      if (got == 0)
        return fail (link, error, "it closed the connection without an answer");
      if (got < 0)
        return FALSE;
      g_byte_array_append (link->in, buffer, (guint) got);
    }
  link->taken = (gsize) MAX (got, 0);
  return got > 0;
}

gboolean
link_hear (Link *link, Answer *answer, GError **error)
{
  const LinkConfig *config = link->config;
  Packet packet;

  if (!flush_out (link, error))
    return FALSE;
  do
    {
      if (!hear_packet (
              link, link->event == EVENT_END ? config->content_timeout : config->command_timeout,
              &packet, error))
        return FALSE;
      if (!answer_read (&packet, answer, error))
        {
          g_prefix_error (error, WHAT " at %s says ", config->address);
          return FALSE;
        }
    }
  while (answer->kind == ANSWER_PROGRESS);
  if (ANSWER_IS_CHANGE (answer->kind) && link->event != EVENT_END)
    return fail (link, error, "it changes the message before its end");
  return TRUE;
}

/* ---- Saying ---- */

#define NO_MACROS MACROS_STAGES

/* One row an event: its command, when it is not sent, when it is not answered, its macros. */
static const struct
{
  char command;
  guint32 unwanted, mute;
  MacrosStage macros;
} events[] = {
  [EVENT_CONNECT] = { PACKET_CONNECT, TERMS_NO_CONNECT, TERMS_MUTE_CONNECT, MACROS_CONNECT },
  [EVENT_HELO] = { PACKET_HELO, TERMS_NO_HELO, TERMS_MUTE_HELO, MACROS_HELO },
  [EVENT_MAIL] = { PACKET_MAIL, TERMS_NO_MAIL, TERMS_MUTE_MAIL, MACROS_MAIL },
  [EVENT_RCPT] = { PACKET_RCPT, TERMS_NO_RCPT, TERMS_MUTE_RCPT, MACROS_RCPT },
  [EVENT_DATA] = { PACKET_DATA, TERMS_NO_DATA, TERMS_MUTE_DATA, MACROS_DATA },
  [EVENT_UNKNOWN] = { PACKET_UNKNOWN, TERMS_NO_UNKNOWN, TERMS_MUTE_UNKNOWN, NO_MACROS },
  [EVENT_HEADER] = { PACKET_HEADER, TERMS_NO_HEADERS, TERMS_MUTE_HEADER, NO_MACROS },
  [EVENT_END_OF_HEADERS] = { PACKET_END_OF_HEADERS, TERMS_NO_END_OF_HEADERS,
                             TERMS_MUTE_END_OF_HEADERS, MACROS_END_OF_HEADERS },
  [EVENT_BODY] = { PACKET_BODY, TERMS_NO_BODY, TERMS_MUTE_BODY, NO_MACROS },
  [EVENT_END] = { PACKET_END, 0, 0, MACROS_END },
};

gboolean
link_wants (const Link *link, Event event)
{
  return (link->state->terms.steps & events[event].unwanted) == 0;
}

static void
add_macros (Link *link, Event event)
{
  if (events[event].macros != NO_MACROS)
    macros_add (link->out, events[event].command, link->state->terms.macros[events[event].macros],
                link->values, link->config->macros);
}

/* The answer to the event that was added, or none where the milter gives none. */
static gboolean
await (Link *link, Event event, Answer *answer, GError **error)
{
  *answer = (Answer){ .kind = ANSWER_CONTINUE };
  link->event = event;
  if ((link->state->terms.steps & events[event].mute) == 0)
    return link_hear (link, answer, error);
  return link->out->len < ROOM || flush_out (link, error);
}

gboolean
link_send (Link *link, Event event, gconstpointer data, gsize length, Answer *answer,
           GError **error)
{
  *answer = (Answer){ .kind = ANSWER_CONTINUE };
  if (!link_wants (link, event))
    return TRUE;
  add_macros (link, event);
  packet_add (link->out, events[event].command, data, length);
  return await (link, event, answer, error);
}

gboolean
link_send_strings (Link *link, Event event, const char *const *strings, Answer *answer,
                   GError **error)
{
  *answer = (Answer){ .kind = ANSWER_CONTINUE };
  if (!link_wants (link, event))
    return TRUE;
  add_macros (link, event);
  if (!packet_add_strings (link->out, events[event].command, strings))
    return fail (link, error, "what it is to be told does not fit into a packet");
  return await (link, event, answer, error);
}

/* ---- Stages ---- */

static gboolean
negotiate (Link *link, GError **error)
{
  LinkState *state = link->state;
  Packet packet;

  terms_offer (link->out);
  if (!flush_out (link, error)
      || !hear_packet (link, link->config->command_timeout, &packet, error))
    return FALSE;
  if (terms_read (&packet, link->config->macros, &state->terms, error))
    return TRUE;
  g_prefix_error (error, WHAT " at %s: ", link->config->address);
  return FALSE;
}

/* Whatever waits for the last part of a small write would wait for the one before it. */
static gboolean
open_connection (Link *link, Answer *answer, GError **error)
{
  const LinkConfig *config = link->config;
  gint64 left = weir_time_left (link->context);
  int descriptor = -1, yes = 1;
  CommonPeer *peer
      = common_peer_connect (WHAT, config->address, MIN (left, config->connect_timeout), error);

  if (peer == NULL)
    return FALSE;
  descriptor = common_peer_release (peer);
  if (!common_peer_is_local (config->address))
    setsockopt (descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  set_mark (descriptor, ++link->state->turn);
  link->peer
      = common_peer_adopt (WHAT, config->address, descriptor, weir_time_left (link->context));
  link->ours = TRUE;
  link->state->stage = LINK_AGREED;
  return negotiate (link, error);
}

static char
family_of (const char *address)
{
  if (strchr (address, ':') != NULL)
    return '6';
  return strchr (address, '.') != NULL ? '4' : 'U';
}

static gboolean
tell_client (Link *link, Answer *answer, GError **error)
{
  WeirContext *context = link->context;
  const char *name = weir_client_name (context);
  const char *address = weir_client_address (context);
  g_autoptr (GByteArray) data = g_byte_array_new ();
  const char family = family_of (address);
  const guint16 port = GUINT16_TO_BE ((guint16) weir_client_port (context));

  g_byte_array_append (data, (const guint8 *) name, (guint) strlen (name) + 1);
  g_byte_array_append (data, (const guint8 *) &family, 1);
  if (family != 'U')
    {
      g_byte_array_append (data, (const guint8 *) &port, sizeof port);
      g_byte_array_append (data, (const guint8 *) address, (guint) strlen (address) + 1);
    }
  link->state->stage = LINK_CONNECTED;
  return link_send (link, EVENT_CONNECT, data->data, data->len, answer, error);
}

static gboolean
tell_helo (Link *link, Answer *answer, GError **error)
{
  const char *const strings[] = { link->helo, NULL };

  link->state->stage = LINK_GREETED;
  return link->helo == NULL || link_send_strings (link, EVENT_HELO, strings, answer, error);
}

/* An address in brackets, and its parameters. */
static gboolean
tell_path (Link *link, Event event, const char *address, const char *const *parameters,
           Answer *answer, GError **error)
{
  g_autofree char *path = g_strdup_printf ("<%s>", address);
  g_autoptr (GPtrArray) strings = g_ptr_array_new ();

  g_ptr_array_add (strings, path);
  for (; *parameters != NULL; parameters++)
    g_ptr_array_add (strings, (gpointer) *parameters);
  g_ptr_array_add (strings, NULL);
  return link_send_strings (link, event, (const char *const *) strings->pdata, answer, error);
}

static gboolean
tell_sender (Link *link, Answer *answer, GError **error)
{
  const char *sender = weir_sender (link->context);

  link->state->stage = LINK_SENDER;
  link->state->skip_recipients = FALSE;
  link->told_anew = TRUE;
  return tell_path (link, EVENT_MAIL, sender == NULL ? "" : sender,
                    weir_sender_parameters (link->context), answer, error);
}

gboolean
link_send_recipient (Link *link, guint index, Answer *answer, GError **error)
{
  const char *recipient = weir_recipient (link->context, index);

  *answer = (Answer){ .kind = ANSWER_CONTINUE };
  if (link->state->skip_recipients)
    return TRUE;
  values_set_recipient (link, recipient);
  if (!tell_path (link, EVENT_RCPT, recipient, weir_recipient_parameters (link->context, index),
                  answer, error))
    return FALSE;
  link->state->skip_recipients = answer->kind == ANSWER_SKIP;
  return TRUE;
}

static gboolean
tell_data (Link *link, Answer *answer, GError **error)
{
  link->state->stage = LINK_DATA;
  return link_send (link, EVENT_DATA, NULL, 0, answer, error);
}

gboolean
link_reach (Link *link, LinkStage stage, Answer *answer, GError **error)
{
  static gboolean (*const steps[]) (Link * link, Answer * answer, GError * *error) = {
    [LINK_NONE] = open_connection, [LINK_AGREED] = tell_client, [LINK_CONNECTED] = tell_helo,
    [LINK_GREETED] = tell_sender,  [LINK_SENDER] = tell_data,
  };

  *answer = (Answer){ .kind = ANSWER_CONTINUE };
  while (link->state->stage < stage
         && (answer->kind == ANSWER_CONTINUE || answer->kind == ANSWER_SKIP))
    if (!steps[link->state->stage](link, answer, error))
      return FALSE;
  if (answer->kind == ANSWER_SKIP)
    answer->kind = ANSWER_CONTINUE;
  return TRUE;
}

/* ---- Ends ---- */

void
link_abort (Link *link)
{
  if (link->state->stage <= LINK_GREETED)
    return;
  link->state->stage = LINK_GREETED;
  packet_add (link->out, PACKET_ABORT, NULL, 0);
}

void
link_greet_again (Link *link)
{
  link_abort (link);
  link->state->stage = MIN (link->state->stage, LINK_CONNECTED);
}

void
link_next_session (Link *link)
{
  if (link->state->stage <= LINK_AGREED)
    return;
  if (link->state->terms.version < TERMS_VERSION)
    {
      link_quit (link);
      return;
    }
  link_abort (link);
  link->state->stage = LINK_AGREED;
  packet_add (link->out, PACKET_NEXT_SESSION, NULL, 0);
}

void
link_quit (Link *link)
{
  link->state->stage = LINK_NONE;
  if (link->peer == NULL)
    return;
  packet_add (link->out, PACKET_QUIT, NULL, 0);
  flush_out (link, NULL);
  common_peer_end_writing (link->peer);
  if (link->ours)
    g_clear_pointer (&link->peer, common_peer_free);
  else
    let_go (link);
  weir_set_state_descriptor (link->context, -1);
}
