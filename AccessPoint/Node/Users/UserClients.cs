using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Users;

/// <summary>
/// The clients that are let in, and a bounded number of others that are being asked about: of these the oldest gives way to a new one, and never one that is let in or that has answered
/// (decision 29). Each of them may be a question that waits for the coordinator.
/// </summary>
/// <param name="capacity">Clients at most.</param>
/// <param name="isUnderWay">Whether a client is in the middle of a handshake or an authentication: an address that nobody has seen before does not displace it.</param>
/// <param name="forgotten">Called for each that is not here any more.</param>
internal sealed class UserClients(int capacity, Func<UserClient, bool> isUnderWay, Action<UserClient> forgotten)
{
    private const int MaxUnknown = 1_024;

    /// <summary>So many of those that are under way are passed over for a new one; the next one goes on behind them.</summary>
    private const int MaxPassedOver = 64;

    private readonly Dictionary<MacAddress, UserClient> _clients = [];
    private readonly Queue<UserClient> _unknown = new();
    private UserClient? _last;

    public int Count => _clients.Count;

    /// <summary>How many are let in; whoever lets them in counts.</summary>
    public int AdmittedCount { get; set; }

    /// <summary>How many there may be now that are not let in.</summary>
    public int MaxOthers => Math.Min(MaxUnknown, capacity - AdmittedCount);

    public IEnumerable<UserClient> All => _clients.Values;

    /// <summary>Whether it is still this one that is here.</summary>
    public bool Has(UserClient client) => _clients.GetValueOrDefault(client.Mac) == client;

    /// <summary>On the path of every frame; frames come in rows.</summary>
    public UserClient? Find(MacAddress mac)
    {
        if (_last is not null && _last.Mac == mac)
        {
            return _last;
        }

        if (_clients.TryGetValue(mac, out var found))
        {
            _last = found;
        }

        return found;
    }

    /// <summary>A new one; null if there is no room.</summary>
    /// <param name="mac">Its address.</param>
    /// <param name="isProven">Whether it has authenticated: then it finds room if anybody gives way.</param>
    public UserClient? Add(MacAddress mac, bool isProven = false)
    {
        var passedOver = 0;
        while (_clients.Count - AdmittedCount >= MaxOthers)
        {
            if (!_unknown.TryDequeue(out var oldest))
            {
                return null;
            }

            oldest.IsQueued = false;
            if (oldest.IsAdmitted || !Has(oldest))
            {
                continue;
            }

            if (!isUnderWay(oldest) || (isProven && passedOver >= MaxPassedOver))
            {
                Forget(oldest);
                continue;
            }

            Shut(oldest);
            if (++passedOver > MaxPassedOver)
            {
                return null;
            }
        }

        var client = new UserClient(mac);
        _clients[mac] = client;
        Shut(client);
        return client;
    }

    /// <summary>A client is not let in, or no more: it may have to give way.</summary>
    public void Shut(UserClient client)
    {
        if (client.IsQueued)
        {
            return;
        }

        client.IsQueued = true;
        _unknown.Enqueue(client);
        if (_unknown.Count > 2 * (MaxUnknown + capacity))
        {
            Tidy();
        }
    }

    public void Forget(UserClient client)
    {
        if (_clients.Remove(client.Mac))
        {
            forgotten(client);
        }

        if (_last == client)
        {
            _last = null;
        }
    }

    private void Tidy()
    {
        for (var left = _unknown.Count; left > 0; left--)
        {
            var client = _unknown.Dequeue();
            client.IsQueued = Has(client) && !client.IsAdmitted;
            if (client.IsQueued)
            {
                _unknown.Enqueue(client);
            }
        }
    }
}
