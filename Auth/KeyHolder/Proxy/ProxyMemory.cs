using System.Net;
using Masquerade.Auth.Radius;

namespace Masquerade.Auth.KeyHolder;

/// <summary>Requests of the last seconds with their answers, and which server a State belongs to. Bounded. Not safe for several threads.</summary>
internal sealed class ProxyMemory(int capacity, TimeSpan hold, TimeProvider time)
{
    private readonly Dictionary<ProxyKey, byte[]?> _answers = [];
    private readonly Queue<(ProxyKey Key, long Since)> _order = new();
    private readonly Dictionary<string, RadiusServer> _servers = new(StringComparer.Ordinal);
    private readonly Queue<(string State, long Since)> _states = new();

    /// <summary>Whether a request is new; then it is remembered. Else what was answered, if it has been already.</summary>
    public RadiusProxyCount? Begin(ProxyKey key, out byte[]? answer)
    {
        Forget();
        if (_answers.TryGetValue(key, out answer))
        {
            return answer is null ? RadiusProxyCount.UnderWay : RadiusProxyCount.Repeated;
        }

        if (_order.Count >= capacity)
        {
            return RadiusProxyCount.Full;
        }

        _answers.Add(key, null);
        _order.Enqueue((key, time.GetTimestamp()));
        return null;
    }

    public void End(ProxyKey key, byte[]? answer)
    {
        if (answer is null)
        {
            // A repetition is a new try. Its place in the order stays, and takes nothing away with it that is not there.
            _answers.Remove(key);
        }
        else if (_answers.ContainsKey(key))
        {
            _answers[key] = answer;
        }
    }

    public RadiusServer? ServerOf(ReadOnlySpan<byte> state) => _servers.GetValueOrDefault(Convert.ToHexString(state));

    public void Bind(ReadOnlySpan<byte> state, RadiusServer server)
    {
        var name = Convert.ToHexString(state);
        if (_servers.Count < capacity && _servers.TryAdd(name, server))
        {
            _states.Enqueue((name, time.GetTimestamp()));
        }
    }

    private void Forget()
    {
        while (_order.TryPeek(out var first) && time.GetElapsedTime(first.Since) > hold)
        {
            _order.Dequeue();
            _answers.Remove(first.Key);
        }

        while (_states.TryPeek(out var first) && time.GetElapsedTime(first.Since) > hold * 2)
        {
            _states.Dequeue();
            _servers.Remove(first.State);
        }
    }
}

/// <summary>What makes two datagrams the same request (RFC 5080 section 2.2.2).</summary>
internal readonly record struct ProxyKey(IPEndPoint Source, byte Identifier, UInt128 Authenticator);
