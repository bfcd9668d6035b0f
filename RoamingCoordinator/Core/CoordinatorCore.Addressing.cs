using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.RoamingCoordinator.Addressing;

namespace Masquerade.RoamingCoordinator;

/// <summary>
/// Clients' addresses from the site's pool: the same client gets the same one at every access point. Where to look is the pool's to say, what is free the store's; here
/// questions are bounded and answered. A question that the store fails is not answered: it comes again.
/// </summary>
public sealed partial class CoordinatorCore
{
    /// <summary>How long a pool that was found full is taken for full, so that the clients that ask in vain do not have it searched each time.</summary>
    private static readonly TimeSpan FullFor = TimeSpan.FromSeconds(2);

    private readonly IAddressStore? _addresses;
    private readonly HashSet<(NodeId Node, ulong Id)> _leasing = [];
    private Instant _poolFullUntil;

    /// <summary>Questions of clients for which the pool had nothing.</summary>
    public long LeasesRefused { get; private set; }

    private void OnLeaseRequest(NodeState node, LeaseRequest request)
    {
        if (_options.Pool is not { } pool || _addresses is null)
        {
            Send(node, new LeaseReply { Id = request.Id, Client = request.Client, Status = AckStatus.Unknown });
            return;
        }

        if (request.Client.IsNone || request.Client.IsGroup)
        {
            Refuse(node, request, "a client needs a MAC address of its own");
            return;
        }

        if (request.Action == LeaseAction.Inform)
        {
            AnswerLease(node, request, IpAddress.None);
            return;
        }

        if (_leasing.Count >= _options.MaxWaiting / 8 || !_leasing.Add((node.Id, request.Id)))
        {
            RequestsRefused++;
            return;
        }

        switch (request.Action)
        {
            case LeaseAction.Offer:
                _addresses.Find(request.Client, _now, found => OnLeaseFound(node, request, found));
                break;
            case LeaseAction.Confirm when pool.Contains(request.Address):
                _addresses.Claim(request.Client, [request.Address], pool.LeaseTime, _now, claimed => FinishLease(node, request, claimed));
                break;
            case LeaseAction.Release or LeaseAction.Decline when pool.Contains(request.Address):
                _addresses.Release(
                    request.Client, request.Address, request.Action == LeaseAction.Decline ? pool.Quarantine : TimeSpan.Zero, _now, released => FinishLease(node, request, released));
                break;
            default:
                FinishLease(node, request, default);
                break;
        }
    }

    private void OnLeaseFound(NodeState node, LeaseRequest request, LeaseResult found)
    {
        if (found.Failure != StoreFailure.None)
        {
            FinishLease(node, request, found);
        }
        else if (found.Address.IsNone && _now < _poolFullUntil && !_options.Pool!.Contains(request.Address))
        {
            FinishLease(node, request, default);
        }
        else
        {
            LookForLease(node, request, found.Address, part: 0);
        }
    }

    private void LookForLease(NodeState node, LeaseRequest request, IpAddress current, int part)
    {
        var candidates = _options.Pool!.Candidates(request.Client, current, request.Address, part);
        if (candidates.Count == 0)
        {
            _poolFullUntil = _now + FullFor;
            FinishLease(node, request, default);
            return;
        }

        _addresses!.Claim(request.Client, candidates, _options.Pool.OfferTime, _now, claimed =>
        {
            if (claimed.Failure == StoreFailure.None && claimed.Address.IsNone)
            {
                LookForLease(node, request, current, part + 1);
            }
            else
            {
                FinishLease(node, request, claimed);
            }
        });
    }

    private void FinishLease(NodeState node, LeaseRequest request, LeaseResult result)
    {
        _leasing.Remove((node.Id, request.Id));
        if (result.Failure != StoreFailure.None)
        {
            CountFailure(result.Failure);
            return;
        }

        LeasesRefused += result.Address.IsNone && request.Action is LeaseAction.Offer or LeaseAction.Confirm ? 1 : 0;
        AnswerLease(node, request, result.Address);
    }

    private void AnswerLease(NodeState node, LeaseRequest request, IpAddress address)
    {
        var pool = _options.Pool!;
        Send(node, new LeaseReply
        {
            Id = request.Id,
            Client = request.Client,
            Status = address.IsNone && request.Action != LeaseAction.Inform ? AckStatus.Refused : AckStatus.Ok,
            Address = address,
            LeaseSeconds = (uint)pool.LeaseTime.TotalSeconds,
            DnsServers = pool.DnsServers,
            Domain = pool.Domain,
        });
    }

    /// <summary>After a loss access points say which addresses their clients use. Those are not given to others, even before the clients themselves ask.</summary>
    private void LearnLeases(Announce announce)
    {
        if (_options.Pool is not { } pool || _addresses is null || !announce.Full || !announce.Addresses.Any(pool.Contains))
        {
            return;
        }

        _addresses.Find(announce.Client, _now, found =>
        {
            if (found.Failure == StoreFailure.None && found.Address.IsNone)
            {
                _addresses.Claim(announce.Client, [.. announce.Addresses.Where(pool.Contains)], pool.LeaseTime, _now, _ => { });
            }
        });
    }
}
