/* What the files of the header index share. */
#pragma once

#include "message/headers.h"

struct _MessageHeaders
{
  const guint8 *bytes; /* borrowed */
  gsize length;
  GArray *fields; /* of MessageField */
  gsize end;      /* of the last field */
  gsize body;
};
