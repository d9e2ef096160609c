/* The upstream of a session without sockets: our own server machine, which answers as its script
 * has it, lies, stalls or closes. */
#pragma once

#include "harness.h"

typedef struct
{
  GatewayUpstream upstream; /* first: the session sees only this */
  SmtpServer *server;
  SmtpServerLimits limits;
  GString *body;
  gchar *sender;
  GPtrArray *recipients; /* accepted */
  gboolean closed;       /* by the server; told to the client machine in the next move */
  gboolean told;
  gboolean greeted; /* EHLO was said, so that another one is worth noting */
  gboolean lied;    /* it has said what nobody asked for */
} HarnessConnection;

/* "550 5.1.1 text". Caller frees. */
BaseReply *harness_reply (const gchar *text);
HarnessConnection *harness_connection (Harness *harness); /* on lease, or NULL */
/* As the pool gives it: greeted, and EHLO done. */
HarnessConnection *harness_connection_new (Harness *harness);
void harness_connection_free (HarnessConnection *connection);
/* Answers what the server has heard. */
void harness_serve (Harness *harness, HarnessConnection *connection);
/* What the server has said goes to the client machine. */
gboolean harness_move_down (HarnessConnection *connection);
/* What stands in both outputs goes to the other side. FALSE: nothing did. */
gboolean harness_move_upstream (Harness *harness);
