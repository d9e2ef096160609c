/* What a milter is told, and is asked about. */
#pragma once

typedef enum
{
  EVENT_CONNECT,
  EVENT_HELO,
  EVENT_MAIL,
  EVENT_RCPT,
  EVENT_DATA,
  EVENT_UNKNOWN,
  EVENT_HEADER,
  EVENT_END_OF_HEADERS,
  EVENT_BODY,
  EVENT_END,
  EVENT_COUNT
} Event;
