/* Packets over a SEQPACKET socket: up to IPC_INLINE bytes in the packet itself, more in a sealed
 * memfd sent along with it. */
#pragma once

#include "base/buffer.h"

#define IPC_INLINE                                                                                 \
  (96 * 1024) /* bytes of a packet; a message of up to 64 KB with its envelope fits */
#define IPC_MAX_PACKET (256 * 1024 * 1024) /* bytes in a memfd */
#define IPC_MAX_DESCRIPTORS 64

/* Two connected, close-on-exec, non-blocking sockets with send buffers that hold a whole packet. */
gboolean ipc_channel_pair (gint pair[2], GError **error);
/* FALSE: error is set; G_IO_ERROR-free codes of G_FILE_ERROR (AGAIN when the socket is full, PIPE
 * when the peer has gone). `descriptors` of gint, may be NULL. */
gboolean ipc_channel_send (gint socket, const guint8 *bytes, gsize length,
                           const GArray *descriptors, GError **error);
/* The next packet; sleeps until there is one if the socket was made blocking. NULL without an
 * error: nothing there now (AGAIN); `*closed` is set when the peer
 * has gone. A descriptor that carries the bytes must be a memfd sealed against writing and resizing
 * before it is looked at. Descriptors (close-on-exec) are the caller's.
 * G_FILE_ERROR_MFILE: they did not fit into our table, and the packet is lost. */
GBytes *ipc_channel_receive (gint socket, GArray *descriptors, gboolean *closed, GError **error);
/* Takes the next packet and forgets it, its descriptors too; never sleeps. `start` gets the first
 * of its bytes, so many of them are returned: none of a packet whose bytes are in a memfd. -1:
 * there is no packet. */
gssize ipc_channel_discard (gint socket, guint8 *start, gsize room);
