using Masquerade.Core.Time;

namespace Masquerade.RoamingCoordinator.Api;

/// <summary>The loop in which the coordinator runs alone. What is posted runs there, between two messages, and must be short.</summary>
public interface ICoordinatorLoop
{
    /// <summary>Posts a question; false if the loop has too much to do. It never blocks.</summary>
    bool TryPost(Action<CoordinatorCore, Instant> question);
}
