/* Deliveries to disk, off the loop: libuv's threads run src/delivery, the answer comes back to the
 * loop. */
#pragma once

#include "net/client.h"

/* Owns the job. gateway_session_delivered() follows, unless the client is forgotten before. */
void net_deliver (NetClient *client, GatewayDelivery *job);
/* The client ends: its deliveries go on, and nobody is told. */
void net_deliver_forget (NetClient *client);
