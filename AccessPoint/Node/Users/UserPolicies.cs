using System.Text;
using Masquerade.Auth.Filter;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Users;

/// <summary>The policies of the users that are here: their texts are asked for by name, once each, and compiled for the time of day.</summary>
internal sealed class UserPolicies(IUserSideHost host, int maxClients)
{
    private const int MaxPolicies = 1_024;

    /// <summary>Clocks are set: the time of day is looked at this often at least.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly Dictionary<Octets, ulong> _asked = [];

    /// <summary>What the FAM asks.</summary>
    public FilterTable Table { get; } = new(MaxPolicies, maxClients);

    /// <summary>When the time of day next changes what a policy says.</summary>
    public Instant NextDeadline { get; private set; } = Instant.Never;

    /// <summary>Gives a client its policy, or asks for it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="name">The name of the policy's text.</param>
    /// <param name="isAdmitted">Whether packets of the client pass already: then they wait.</param>
    /// <returns>Its number; 0 if it is not known yet.</returns>
    public int Assign(MacAddress client, Octets name, bool isAdmitted)
    {
        if (Table.TryFind(name.Span, out var policy) && Table.TryAssign(client, policy))
        {
            host.SetPolicy(client, policy);
            return policy;
        }

        Ask(name);
        if (isAdmitted && Table.TryAssign(client, IClientFilter.Awaited))
        {
            host.SetPolicy(client, IClientFilter.Awaited);
        }

        return IClientFilter.Unknown;
    }

    /// <summary>Asks for a text, unless it is being asked for.</summary>
    public void Ask(Octets name)
    {
        if (!_asked.ContainsKey(name) && _asked.Count < MaxPolicies && host.Ask(id => new PolicyQuery { Id = id, Policy = name }) is > 0 and var question)
        {
            _asked[name] = question;
        }
    }

    /// <summary>Takes a text; false if it is not the one of that name, or cannot be used.</summary>
    public bool TryTake(PolicyReply reply)
    {
        _asked.Remove(reply.Policy);
        var policy = FilterPolicy.Parse(Encoding.UTF8.GetString(reply.Text.Span), []);
        if (policy is null || !policy.Digest.Span.SequenceEqual(reply.Policy.Span) || !Table.TryAdd(policy, host.LocalTime, out _))
        {
            return false;
        }

        SetDeadline(Instant.Zero);
        return true;
    }

    /// <summary>Nothing of a client passes any more, whatever it has open.</summary>
    public void Revoke(MacAddress client)
    {
        Release(client);
        host.SetPolicy(client, IClientFilter.Unknown);
    }

    /// <summary>A client is not here any more. What is under way to it is judged as before.</summary>
    public void Release(MacAddress client) => Table.TryAssign(client, IClientFilter.Unknown);

    public void Advance(Instant now)
    {
        if (now < NextDeadline)
        {
            return;
        }

        foreach (var policy in Table.Advance(host.LocalTime))
        {
            host.PolicyChanged(policy);
        }

        SetDeadline(now);
    }

    private void SetDeadline(Instant now)
    {
        var wait = Table.NextChange is { } next ? next - host.LocalTime : TimeSpan.MaxValue;
        NextDeadline = wait == TimeSpan.MaxValue ? Instant.Never : now + (wait < LongestWait ? wait : LongestWait);
    }
}
