/* One client connection: its socket, and the session that is driven over it. It is the host that
 * the session asks for everything. */
#pragma once

#include "gateway/session.h"
#include "net/loop.h"
#include "net/names.h"
#include "net/pool.h"
#include "net/stream.h"
#include "net/workers.h"

typedef enum
{
  NET_CLIENT_PROXY,     /* the header of the load balancer in front of it is awaited */
  NET_CLIENT_NAME,      /* its name is looked up */
  NET_CLIENT_HANDSHAKE, /* TLS, before the session or in it */
  NET_CLIENT_SESSION,
  NET_CLIENT_FLUSH,  /* the session is over, its last reply on the way */
  NET_CLIENT_LINGER, /* all is said; what the client still sends is read and dropped, so that no
                        reset overtakes the reply */
  NET_CLIENT_CLOSED
} NetClientState;

typedef struct _NetClient NetClient;
typedef struct _NetClientWait NetClientWait;

/* Small on purpose, as GatewaySession. */
struct _NetClient
{
  NetLoop *loop;
  const GatewayListener *listener;
  NetClientState state;
  NetStream stream;
  NetWatch watch;
  NetTimer timer;
  GList link;      /* in the loop's clients */
  BasePeer peer;   /* the client's, whose socket it need not be */
  BasePeer server; /* our end, as the client sees it; length 0: unknown, or not told on */
  GatewayClientKind kind;
  BaseBuffer *header;      /* what has come of the load balancer's; NULL: none is awaited */
  gchar *name;             /* until the session has it */
  GatewaySession *session; /* NULL before the greeting and after the end */
  NetClientWait *wait;     /* NULL: nothing is waited for */
  NetRequest *request;
  GSList *deliveries;   /* of NetDelivery, under way */
  gsize lingered;       /* octets read and dropped */
  guint counted : 1;    /* for its address, and not for the listener alone */
  guint eof : 1;        /* nothing more comes from the client */
  guint leaving : 1;    /* it has closed its side behind a QUIT that is not read yet */
  guint gone : 1;       /* the session knows that nobody listens */
  guint unfinished : 1; /* it had its rounds of this turn, and may have more to say */
  guint ended : 1;      /* it has closed its side, perhaps behind bytes that are not read yet */
  guint held_back : 1;  /* the session waits until an output has room */
  guint flowing : 1;    /* the last read filled what it was given: data flows, read more at once */
};

/* What it waits for of the loop's other parts. Thousands of clients idle, which wait for nothing:
 * this is made when one begins to, and gone once the answer is here. */
struct _NetClientWait
{
  NetClient *client;
  NetNameWait name;
  NetTake take;
  NetCapabilityWait capabilities;
  BaseEndpoint peer, server; /* for `take` */
};

extern const GatewayHost net_client_host;

/* Takes over a connected descriptor that the limits have counted. `proxied`: for nobody yet, and a
 * PROXY header comes first. */
void net_client_accept (NetLoop *loop, const GatewayListener *listener, gint fd,
                        const BaseEndpoint *endpoint, gboolean proxied);
/* Who it is is known: its name is looked up, then it is served. */
void net_client_begin (NetClient *client);
/* After every call into the session: writes, pumps, re-arms; ends the client when the session is
 * over. */
void net_client_step (NetClient *client);
void net_client_drain (NetClient *client, gboolean hurry);
/* Ends it now, whatever it is at. The struct goes from the loop. */
void net_client_destroy (NetClient *client);
/* Made at need. */
NetClientWait *net_client_wait (NetClient *client);
/* Frees it if nothing is waited for any more. */
void net_client_settle_wait (NetClient *client);
void net_client_give_up_waiting (NetClient *client);
/* The descriptor of the upstream on lease says something. A NetLeaseFunc. */
void net_client_on_upstream (NetUpstream *upstream, int events);
/* client-gone.c: reset, or closed without a complete QUIT, as the socket or the loop tells. */
gboolean net_client_is_gone (NetClient *client);

/* client-proxy.c: waits for the header; what the socket and the timer say then. */
void net_client_await_header (NetClient *client);
void net_client_read_header (NetClient *client);
void net_client_miss_header (NetClient *client);
void net_client_forget_header (NetClient *client);
