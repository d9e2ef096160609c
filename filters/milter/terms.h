/* What mail server and milter agree on before anything else: version, actions, which events are
 * sent, which are answered, which macros go ahead of them. No sockets. */
#pragma once

#include "macros.h"
#include "packet.h"

#define TERMS_VERSION 6
#define TERMS_OLDEST 2

/* Steps of the protocol (SMFIP_…): what is not sent, … */
#define TERMS_NO_CONNECT 0x00000001u
#define TERMS_NO_HELO 0x00000002u
#define TERMS_NO_MAIL 0x00000004u
#define TERMS_NO_RCPT 0x00000008u
#define TERMS_NO_BODY 0x00000010u
#define TERMS_NO_HEADERS 0x00000020u
#define TERMS_NO_END_OF_HEADERS 0x00000040u
#define TERMS_NO_UNKNOWN 0x00000100u
#define TERMS_NO_DATA 0x00000200u
/* … what is not answered, … */
#define TERMS_MUTE_HEADER 0x00000080u
#define TERMS_MUTE_CONNECT 0x00001000u
#define TERMS_MUTE_HELO 0x00002000u
#define TERMS_MUTE_MAIL 0x00004000u
#define TERMS_MUTE_RCPT 0x00008000u
#define TERMS_MUTE_DATA 0x00010000u
#define TERMS_MUTE_UNKNOWN 0x00020000u
#define TERMS_MUTE_END_OF_HEADERS 0x00040000u
#define TERMS_MUTE_BODY 0x00080000u
/* … and the rest. */
#define TERMS_SKIP 0x00000400u          /* the answer "skip" is understood */
#define TERMS_REFUSED_RCPT 0x00000800u  /* recipients that are refused are sent too */
#define TERMS_LEADING_SPACE 0x00100000u /* the space behind a field's colon is sent */
#define TERMS_DATA_256K 0x10000000u     /* packets of up to 256 KiB - 1 of data */
#define TERMS_DATA_1M 0x20000000u       /* … of up to 1 MiB - 1 */

#define TERMS_ACTIONS 0x000001FFu /* all of version 6 */
#define TERMS_STEPS 0x001FFFFFu   /* all of version 6, without sizes */

typedef struct
{
  guint32 version;
  guint32 actions;
  guint32 steps;
  guint32 pad;
  guint64 macros[MACROS_STAGES]; /* masks */
} Terms;

/* Appends our offer. */
void terms_offer (GByteArray *out);
/* Reads the milter's answer to it. FALSE: error, it is none, of a version that is not spoken here,
 * or asks for what was not offered. `extras` as in macros.h. */
gboolean terms_read (const Packet *packet, const char *const *extras, Terms *terms, GError **error);
/* The most octets of data in a packet to the milter. */
gsize terms_data_size (const Terms *terms);
