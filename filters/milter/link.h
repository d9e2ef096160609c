/* The connection to the milter that travels with a session's state, and how far the milter has been
 * told about the session. One that died meanwhile, or whose last exchange was cut off, is replaced,
 * and the milter is told again what it needs to know: so a milter that was restarted is noticed by
 * nobody, up to the end of the message. */
#pragma once

#include <mailweir/filter.h>

#include "answer.h"
#include "common/peer.h"
#include "event.h"
#include "terms.h"

typedef struct
{
  const char *socket;
  gint64 connect_timeout, command_timeout, content_timeout; /* ms */
  guint64 max_body;
  const char *const *macros; /* "name=value" */
  char *address;             /* of the socket, between start and stop */
} LinkConfig;

/* How far the milter is. */
typedef enum
{
  LINK_NONE,      /* there is no connection */
  LINK_AGREED,    /* the terms are settled */
  LINK_CONNECTED, /* it knows the client, … */
  LINK_GREETED,   /* … its HELO, if there was one, … */
  LINK_SENDER,    /* … the sender, and recipients, … */
  LINK_DATA       /* … and that the message comes */
} LinkStage;

/* The filter's state. Zeros: nothing has happened. */
typedef struct
{
  guint32 turn; /* of the uses of the connection; the socket bears the same number */
  guint32 stage;
  gboolean over;            /* it has accepted all that this client will do */
  gboolean skip_recipients; /* it wants no more of them in this message */
  guint64 body;             /* octets, from `body` to `end_of_message` */
  Terms terms;
} LinkState;

/* One call of a hook. */
typedef struct
{
  WeirContext *context;
  const LinkConfig *config;
  LinkState *state;
  CommonPeer *peer;   /* NULL: not connected */
  gboolean ours;      /* the connection was made in this call */
  gboolean told_anew; /* the sender was told in this call */
  Event event;        /* the last one */
  const char *helo;   /* what is said at HELO; NULL: nothing was */
  GByteArray *out, *in;
  gsize taken; /* octets of `in` that are done with */
  const char *values[MACRO_COUNT];
  GPtrArray *strings; /* that some of them are */
} Link;

/* Takes up the session's connection, if it is still good. Never fails. */
void link_init (Link *link, WeirContext *context);
/* Sends what waits, and gives the connection back to the session. FALSE: error. */
gboolean link_finish (Link *link, GError **error);
/* The exchange was not brought to its end: the milter's side of it is ended too. To be called last
 * in any case, and harmless behind link_finish(). */
void link_clear (Link *link);

/* Tells the milter what it has not heard yet, up to `stage`, and stops at the first answer that is
 * not to continue; `answer` is the last one. FALSE: error. */
gboolean link_reach (Link *link, LinkStage stage, Answer *answer, GError **error);
/* Whether an event is among those that the milter wants. Not before the terms are settled. */
gboolean link_wants (const Link *link, Event event);
/* Sends an event behind its macros and awaits the answer, where there is one; else it is to
 * continue, and nothing is sent yet. One that the milter does not want is not sent. */
gboolean link_send (Link *link, Event event, gconstpointer data, gsize length, Answer *answer,
                    GError **error);
gboolean link_send_strings (Link *link, Event event, const char *const *strings, Answer *answer,
                            GError **error);
/* The recipient by its number in the envelope. */
gboolean link_send_recipient (Link *link, guint index, Answer *answer, GError **error);
/* The next answer of several, at the end of the message. What it borrows lives until the next one.
 */
gboolean link_hear (Link *link, Answer *answer, GError **error);
/* The message is taken back, or decided: the next one begins with its sender. */
void link_abort (Link *link);
/* The client greets again: what belonged to a message is over. */
void link_greet_again (Link *link);
/* Another client: the connection is used for it, or closed where the milter knows no way. */
void link_next_session (Link *link);
/* Says good-bye and closes. */
void link_quit (Link *link);
