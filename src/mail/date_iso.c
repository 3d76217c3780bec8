/* Dates as they are kept in files of our own. */
#include "mail/date.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ZONE_MAX 5999

bool date_print_iso(struct date date, char out[DATE_ISO_SIZE])
{
	struct tm tm;
	const int zone = date.zone >= -ZONE_MAX && date.zone <= ZONE_MAX ? date.zone : 0;

	if (date.instant == DATE_UNKNOWN)
		return false;
	const time_t local = (time_t)date.instant + (time_t)zone * 60;
	if (!gmtime_r(&local, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		return false;
	snprintf(out, DATE_ISO_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, zone < 0 ? '-' : '+',
		abs(zone) / 60, abs(zone) % 60);
	return true;
}

int date_parse_iso(struct span field, struct date *out)
{
	char text[DATE_ISO_SIZE], again[DATE_ISO_SIZE];
	int zone_hours, zone_minutes;
	char sign;
	struct tm tm = { .tm_isdst = 0 };

	*out = (struct date){ .instant = DATE_UNKNOWN };
	if (field.len >= sizeof(text) || memchr(field.data, '\0', field.len))
		return -1;
	memcpy(text, field.data, field.len);
	text[field.len] = '\0';
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%c%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		    &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &sign, &zone_hours, &zone_minutes) != 9)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	const int zone = (zone_hours * 60 + zone_minutes) * (sign == '-' ? -1 : 1);
	out->zone = (int16_t)zone;
	out->instant = (int64_t)timegm(&tm) - (int64_t)zone * 60;
	return date_print_iso(*out, again) && strcmp(text, again) == 0 ? 0 : -1;
}
