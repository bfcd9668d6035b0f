using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Addressing;

/// <summary>The answer of an <see cref="IAddressStore"/>.</summary>
/// <param name="Address">The address; none if there is none.</param>
/// <param name="Failure">Anything but none: the store could not tell, and may have done it all the same.</param>
public readonly record struct LeaseResult(IpAddress Address, StoreFailure Failure = StoreFailure.None);

/// <summary>
/// Which client has which address, and until when: at most one address for each client, at most one client for each address. Every implementation must pass the same contract
/// tests. Each method is one atomic act, so that coordinators that share the store need not agree on anything else. Bounded by the addresses that are ever claimed: a client's entry
/// goes when its address becomes another's.
/// <para>Answers come by a completion, as those of <see cref="IClientStore"/> do.</para>
/// </summary>
public interface IAddressStore
{
    /// <summary>The address that a client has, or had and nobody has claimed since.</summary>
    void Find(MacAddress client, Instant now, Action<LeaseResult> done);

    /// <summary>
    /// Gives the client the first of some addresses that is free, or its own. An address that it had otherwise is free then. A lease that lasts longer already is not shortened.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="candidates">The addresses, best first, at most <see cref="AddressPool.CandidatesAtOnce"/> and two.</param>
    /// <param name="atLeast">How long the address is the client's.</param>
    /// <param name="now">The time; a store that several coordinators share has a clock of its own.</param>
    /// <param name="done">The address; none if none is free: then nothing has changed.</param>
    void Claim(MacAddress client, IReadOnlyList<IpAddress> candidates, TimeSpan atLeast, Instant now, Action<LeaseResult> done);

    /// <summary>
    /// Takes an address away from a client, if it has it. For the quarantine, if there is one, it is nobody's.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="address">The address.</param>
    /// <param name="quarantine">How long nobody is to have it; zero: somebody else may at once.</param>
    /// <param name="now">The time.</param>
    /// <param name="done">The address if it was the client's, else none.</param>
    void Release(MacAddress client, IpAddress address, TimeSpan quarantine, Instant now, Action<LeaseResult> done);
}
