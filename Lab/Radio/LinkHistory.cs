using Masquerade.Lab.Net;

namespace Masquerade.Lab.Radio;

/// <summary>Answers, after a walk, where a client's link was at any instant.</summary>
public sealed class LinkHistory
{
    private readonly List<(int AccessPoint, long Up, long Down)>[] _stays;
    private readonly List<RoamRecord>[] _roams;

    /// <summary>Takes over the radio's records.</summary>
    public LinkHistory(IEnumerable<RoamRecord> records, int clients)
    {
        ArgumentNullException.ThrowIfNull(records);
        _stays = [.. Enumerable.Range(0, clients).Select(_ => new List<(int, long, long)>())];
        _roams = [.. Enumerable.Range(0, clients).Select(_ => new List<RoamRecord>())];
        foreach (var record in records)
        {
            var stays = _stays[record.Client];
            if (stays.Count > 0)
            {
                stays[^1] = stays[^1] with { Down = record.DownBegin };
            }

            stays.Add((record.To, record.UpEnd, long.MaxValue));
            if (record.From >= 0)
            {
                _roams[record.Client].Add(record);
            }
        }
    }

    /// <summary>The client's switches from one access point to another, in order.</summary>
    public IReadOnlyList<RoamRecord> Roams(int client) => _roams[client];

    /// <summary>Whether the link between client and access point was certainly alive at that instant.</summary>
    public bool IsLive(int client, int accessPoint, long at)
    {
        foreach (var stay in _stays[client])
        {
            if (stay.AccessPoint == accessPoint && at >= stay.Up && at <= stay.Down)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the client's link was being switched at that instant, or had come back less than <paramref name="allowance"/> ns ago.</summary>
    public bool IsSwitching(int client, long at, long allowance) => _roams[client].Exists(r => at >= r.DownBegin && at <= r.UpEnd + allowance);

    /// <summary>Whether the client had any certainly live link at that instant.</summary>
    public bool IsLive(int client, long at) => Enumerable.Range(0, LabTopology.AccessPointCount).Any(k => IsLive(client, k, at));

    /// <summary>Whether the client was at the access point at that instant, or less than <paramref name="grace"/> ns ago.</summary>
    public bool WasAt(int client, int accessPoint, long at, long grace)
    {
        foreach (var stay in _stays[client])
        {
            // Up marks the end of switching on; a frame can pass a little earlier.
            if (stay.AccessPoint == accessPoint && at >= stay.Up - LabClock.Milliseconds(2) && (stay.Down == long.MaxValue || at <= stay.Down + grace))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The access point where the client had been for at least <paramref name="settle"/> ns and still was; -1 around a switch.</summary>
    public int SettledAt(int client, long at, long settle)
    {
        foreach (var stay in _stays[client])
        {
            if (at >= stay.Up + settle && at <= stay.Down)
            {
                return stay.AccessPoint;
            }
        }

        return -1;
    }
}
