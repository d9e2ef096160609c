/* Packets of the milter protocol: u32 length, u8 command, data; integers are big-endian, strings
 * end in NUL. */
#pragma once

#include <glib.h>

#define PACKET_MAX_DATA 65535           /* octets of data in what we send, unless more was agreed */
#define PACKET_MAX_ANSWER (1024 * 1024) /* octets of one answer, command and data */

/* Commands (SMFIC_…). */
#define PACKET_ABORT 'A'
#define PACKET_BODY 'B'
#define PACKET_CONNECT 'C'
#define PACKET_MACRO 'D'
#define PACKET_END 'E'
#define PACKET_HELO 'H'
#define PACKET_NEXT_SESSION 'K' /* quit, but keep the connection */
#define PACKET_HEADER 'L'
#define PACKET_MAIL 'M'
#define PACKET_END_OF_HEADERS 'N'
#define PACKET_NEGOTIATE 'O'
#define PACKET_QUIT 'Q'
#define PACKET_RCPT 'R'
#define PACKET_DATA 'T'
#define PACKET_UNKNOWN 'U'

/* Appends a packet; `length` is at most what was agreed, `data` may be NULL when it is 0. */
void packet_add (GByteArray *out, char command, gconstpointer data, gsize length);
/* The same, of strings. FALSE: together they are longer than PACKET_MAX_DATA, nothing is added. */
gboolean packet_add_strings (GByteArray *out, char command, const char *const *strings);
void packet_append_u32 (GByteArray *out, guint32 number);

typedef struct
{
  char command;
  const guint8 *data; /* borrowed from the bytes that it was taken from */
  gsize length;
} Packet;

/* Takes the first packet. Returns the octets it has, its length with it; 0: more are needed; -1:
 * error, there is no packet, or one of more than PACKET_MAX_ANSWER octets. */
gssize packet_take (const guint8 *bytes, gsize length, Packet *packet, GError **error);

/* Reads what a packet's data is made of, from its front. FALSE: it is not there. The string is
 * borrowed. */
gboolean packet_read_u32 (Packet *packet, guint32 *number);
gboolean packet_read_string (Packet *packet, const char **string);
