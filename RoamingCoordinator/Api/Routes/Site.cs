using Masquerade.Core.Flow;
using Masquerade.RoamingCoordinator.Api.Asking;
using Masquerade.RoamingCoordinator.Api.Observing;

namespace Masquerade.RoamingCoordinator.Api.Routes;

/// <summary>What all routes share.</summary>
/// <param name="Name">The coordinator.</param>
/// <param name="Placement">Its policy.</param>
/// <param name="Inquiry">Asks the coordinator.</param>
/// <param name="Register">All clients.</param>
/// <param name="Chronicle">What happens.</param>
/// <param name="Life">Another text in every life of this process: numbers of events mean nothing beyond it.</param>
/// <param name="Started">When the process began.</param>
internal sealed record Site(NodeId Name, IHamPlacement Placement, Inquiry Inquiry, Register Register, Chronicle Chronicle, string Life, DateTimeOffset Started)
{
    /// <summary>The place in the stream of events that a document shows the state of.</summary>
    public string AsOf(long sequence) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Life}.{sequence}");
}
