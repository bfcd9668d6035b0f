using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint.Users;

/// <summary>Sessions that end by themselves, and what is told of them from time to time.</summary>
internal sealed partial class UserSide
{
    private void Watch(UserClient client)
    {
        if (!client.IsAdmitted)
        {
            // There is nothing that could end.
            return;
        }

        var at = Instant.Min(Instant.Min(client.Ends, client.RenewAt), client.ReportAt);
        if (client.Session is { IdleSeconds: > 0 } session)
        {
            at = Instant.Min(at, client.LastHeard + TimeSpan.FromSeconds(session.IdleSeconds));
        }

        at = at <= _now ? _now + TimeSpan.FromMilliseconds(1) : at;
        if (at != client.WatchAt && at != Instant.Never)
        {
            client.WatchAt = at;
            _deadlines.Enqueue((client, at), at);
        }
    }

    /// <summary>Adds what has passed of a client without being looked at.</summary>
    private void NotePassed(UserClient client)
    {
        var passed = _host.TakePassed(client.Mac);
        client.PacketsFrom += (ulong)passed.PacketsFrom;
        client.PacketsTo += (ulong)passed.PacketsTo;

        // What is looked at is counted with its Ethernet header.
        client.OctetsFrom += (ulong)(passed.OctetsFrom + (passed.PacketsFrom * EthernetHeader.Length));
        client.OctetsTo += (ulong)(passed.OctetsTo + (passed.PacketsTo * EthernetHeader.Length));
        client.LastHeard = Instant.Max(client.LastHeard, passed.LastFrom);
        client.Ipv4Used = Instant.Max(client.Ipv4Used, passed.LastFrom);
    }

    private void Due(UserClient client, Instant at)
    {
        if (!_clients.Has(client) || client.WatchAt != at || client.Session is not { } session)
        {
            return;
        }

        client.WatchAt = Instant.Never;
        NotePassed(client);
        if (client.Ends <= _now)
        {
            End(client, "session time is over");
            return;
        }

        if (session.IdleSeconds > 0 && _now - client.LastHeard >= TimeSpan.FromSeconds(session.IdleSeconds))
        {
            End(client, "idle");
            return;
        }

        if (client.RenewAt <= _now)
        {
            AskAgain(client);
        }

        if (client.IsAdmitted && client.ReportAt <= _now)
        {
            client.ReportAt = _now + _config.ReportInterval;

            // A session whose handshake is to come has not been proved.
            if (!_host.IsWaiting(client.LastReport) && client.Link is not { IsUp: true, IsProven: false })
            {
                // While nobody listens it goes on counting: one report, not one a minute, waits for the coordinator.
                Report(client, client.Proof);
            }
        }

        Watch(client);
    }
}
