/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling a service manager how the daemon is (sd_notify(3)'s protocol), without its library.
 */
#pragma once

/* Sends `state` ("READY=1", "STOPPING=1") to the datagram socket `path`, what NOTIFY_SOCKET says:
 * a path, or '@' and an abstract name. NULL or empty: nobody wants to know. Failures are silent:
 * there is nobody else to tell. */
void notify_send(const char *path, const char *state);

/* RELOADING=1 with the time stamp that Type=notify-reload asks for. */
void notify_reloading(const char *path);
