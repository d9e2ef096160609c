/* `mailweir status`: whoever connects to the status socket is sent one JSON object, and the
 * connection is closed. */
#pragma once

#include "base/buffer.h"
#include "net/service.h"

typedef struct _NetStatus NetStatus;

/* Accepts on the main loop. The descriptor is borrowed. */
NetStatus *net_status_new (NetService *service, gint fd);
void net_status_close (NetStatus *status); /* the memory goes from the loop */
/* The object, for tests too. */
void net_status_write (NetService *service, BaseBuffer *out);
