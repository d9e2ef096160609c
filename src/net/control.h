/* The gateway's end of the channel to its generation: orders and workers come down, requests for
 * workers and READY go up. */
#pragma once

#include "net/service.h"

typedef struct _NetControl NetControl;

/* Watches the channel on the main loop. The descriptor is borrowed. */
NetControl *net_control_new (NetService *service, gint fd);
void net_control_close (NetControl *control); /* the memory goes from the loop */

/* Waits for the one message that must come before everything else: what each configured filter
 * subscribes to. NULL: error. The caller unrefs. */
GArray *net_control_wait_for_filters (gint fd, GError **error);
/* READY, or FAILED with the text. FALSE: the generation does not hear. */
gboolean net_control_report (gint fd, const gchar *failure, GError **error);
